/**
 * Where the machine's kernel file systems are mounted. They differ from the usual places only for an agent that runs
 * in a container of its own, with the host's mounted elsewhere (say `/host/proc`, `/host/sys/fs/cgroup`).
 */
export interface MachinePaths {
  readonly proc: string;
  readonly cgroup: string;
}

export const defaultMachinePaths: MachinePaths = { proc: '/proc', cgroup: '/sys/fs/cgroup' };
