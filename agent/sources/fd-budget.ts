import { readFileSync } from 'node:fs';

/** How many descriptors may be kept open. The rest of the process needs some too: sockets, the store, children. */
export interface DescriptorBudget {
  /**
   * Takes one; false where none is left for that priority, and then the caller closes the descriptor right after use.
   * Low priority gets none once most of the budget is in use.
   */
  take(priority: DescriptorPriority): boolean;
  /** Gives one back. */
  give(): void;
  readonly used: number;
}

export type DescriptorPriority = 'high' | 'low';

/** How much of the budget may be in use for low priority still to get one. */
const lowPriorityShare = 0.6;
/** For an unreadable `/proc/self/limits`: the smallest soft limit in common use. */
const usualSoftLimit = 1024;

/** A budget of half of this process's soft limit on open files (getrlimit(2), RLIMIT_NOFILE), or of `size`. */
export function createDescriptorBudget(size: number = Math.floor(openFilesLimit() / 2)): DescriptorBudget {
  let used = 0;
  return {
    take(priority) {
      if (used >= (priority === 'high' ? size : size * lowPriorityShare)) return false;
      used += 1;
      return true;
    },
    give() {
      used -= 1;
    },
    get used() {
      return used;
    },
  };
}

/**
 * The soft limit. Node raises it to the hard limit when it starts, so that what the shell said does not matter.
 * Always from the real `/proc`: it is about this process, wherever the host's tree is mounted.
 */
function openFilesLimit(): number {
  const found = parseOpenFilesLimit(readLimits());
  return found ?? usualSoftLimit;
}

/** The soft limit in the text of `/proc/PID/limits`; Infinity for `unlimited`, null where the line is missing. */
export function parseOpenFilesLimit(limits: string): number | null {
  const soft = /^Max open files\s+(\d+|unlimited)\s/m.exec(limits)?.[1];
  if (soft === undefined) return null;
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}

function readLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'latin1');
  } catch {
    return '';
  }
}
