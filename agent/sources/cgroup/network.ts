import { readlinkSync } from 'node:fs';
import { decimalAt } from './kernel-text.ts';
import type { NetworkSample } from './sample.ts';

const newline = 0x0a;
const space = 0x20;
const colon = 0x3a;
const headerLines = 2;
/** proc_pid_net(5): eight columns received, then eight sent; bytes are the first of each. */
const columnsBeforeSentBytes = 8;

/**
 * The sum over the interfaces of a `/proc/PID/net/dev`, loopback left out; null where the text is not whole. An
 * interface that the container made itself (a bridge, a veth pair) counts like any other.
 */
export function readNetDev(bytes: Buffer): NetworkSample | null {
  if (bytes[bytes.length - 1] !== newline) return null;
  let line = 0;
  for (let header = 0; header < headerLines; header += 1) {
    line = bytes.indexOf(newline, line) + 1;
    if (line === 0) return null;
  }
  let receiveBytes = 0;
  let transmitBytes = 0;
  while (line < bytes.length) {
    const lineEnd = bytes.indexOf(newline, line);
    const nameEnd = bytes.indexOf(colon, line);
    if (nameEnd === -1 || nameEnd > lineEnd) return null;
    if (!isLoopback(bytes, line, nameEnd)) {
      const received = column(bytes, nameEnd + 1, lineEnd, 0);
      const sent = column(bytes, nameEnd + 1, lineEnd, columnsBeforeSentBytes);
      if (received === null || sent === null) return null;
      receiveBytes += received;
      transmitBytes += sent;
    }
    line = lineEnd + 1;
  }
  return { receiveBytes, transmitBytes };
}

/**
 * The identity of a process's network namespace (`net:[4026531833]`), from `PROC/PID/ns/net`. null where it may not
 * be read (an agent that is not root) or the process is gone.
 */
export function networkNamespace(proc: string, pid: number | 'self'): string | null {
  try {
    return readlinkSync(`${proc}/${pid}/ns/net`);
  } catch {
    return null;
  }
}

/**
 * The host's network namespace: that of process 1 or, where it may not be read, our own, which is the same unless the
 * agent runs in a container with a network of its own.
 */
export function hostNetworkNamespace(proc: string): string | null {
  return networkNamespace(proc, 1) ?? networkNamespace(proc, 'self');
}

/** Who is in which network namespace, and whose figures its traffic is. */
export interface NamespaceRegister<Member extends NamespaceMember> {
  join(namespace: string, member: Member): void;
  leave(namespace: string, member: Member): void;
  /**
   * Whether the namespace's traffic counts as this member's. Of several in one namespace only the first that Docker
   * says has its own; none where Docker's word is missing, because the kernel does not say who came first.
   */
  isOwnedBy(namespace: string, member: Member): boolean;
}

/** What the register needs to know of a member. */
export interface NamespaceMember {
  /** From Docker's NetworkMode: false for `host` and `container:X`; undefined where nobody asked. */
  readonly ownNetwork: boolean | undefined;
}

/** @param host the host's namespace: its traffic is nobody's; null (unknown) makes all traffic nobody's. */
export function createNamespaceRegister<Member extends NamespaceMember>(
  host: string | null,
): NamespaceRegister<Member> {
  const members = new Map<string, Set<Member>>();
  return {
    join(namespace, member) {
      const present = members.get(namespace);
      if (present === undefined) members.set(namespace, new Set([member]));
      else present.add(member);
    },
    leave(namespace, member) {
      const present = members.get(namespace);
      if (present?.delete(member) === true && present.size === 0) members.delete(namespace);
    },
    isOwnedBy(namespace, member) {
      if (host === null || namespace === host || member.ownNetwork === false) return false;
      const present = members.get(namespace);
      if (present === undefined || !present.has(member)) return false;
      if (present.size === 1) return true;
      for (const one of present) if (one.ownNetwork === true) return one === member;
      return false;
    },
  };
}

function isLoopback(bytes: Buffer, lineStart: number, nameEnd: number): boolean {
  let start = lineStart;
  while (bytes[start] === space) start += 1;
  return nameEnd - start === 2 && bytes[start] === 0x6c && bytes[start + 1] === 0x6f;
}

/** The number in a column of space-separated numbers, counted from 0. */
function column(bytes: Buffer, start: number, lineEnd: number, index: number): number | null {
  let at = start;
  for (let skipped = 0; ; skipped += 1) {
    while (at < lineEnd && bytes[at] === space) at += 1;
    if (skipped === index) break;
    while (at < lineEnd && bytes[at] !== space) at += 1;
  }
  return at < lineEnd ? decimalAt(bytes, at) : null;
}
