/** Places for children: there are only so many, and who finds none waits for a while. */
export interface Places {
  /** True when a place was taken, false when patience ran out or the queue is full. */
  take(): Promise<boolean>;
  /** Gives a place back, to the next in the queue if there is one. */
  give(): void;
}

/** What waits is names from labels, which anybody writes: the queue must not grow with them. */
const longestQueue = 2_000;

/** @param patienceMs how long one waits for a place, in milliseconds */
export function createPlaces(most: number, patienceMs: number): Places {
  const queue: Array<() => void> = [];
  let taken = 0;
  return {
    take() {
      if (taken < most) {
        taken += 1;
        return Promise.resolve(true);
      }
      if (queue.length >= longestQueue) return Promise.resolve(false);
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const goOn = () => {
        clearTimeout(timer);
        resolve(true);
      };
      const timer = setTimeout(() => {
        queue.splice(queue.indexOf(goOn), 1);
        resolve(false);
      }, patienceMs).unref();
      queue.push(goOn);
      return promise;
    },
    give() {
      const next = queue.shift();
      if (next === undefined) taken -= 1;
      else next();
    },
  };
}
