/**
 * Has the kernel end this process if nothing stops it within so many seconds; 0: it need not. A call of the driver
 * that hangs keeps every signal handler from running, and the agent that would kill this process may be dead: without
 * this the helper would outlive it. See alarm(2); SIGALRM ends a process that does not handle it.
 */
export type Deadline = (seconds: number) => void;

export async function createDeadline(): Promise<Deadline> {
  const { default: koffi } = await import('koffi');
  const alarm = koffi.load(null).func('alarm', 'uint', ['uint']);
  return (seconds) => {
    alarm(Math.ceil(seconds));
  };
}
