import type { ChildRun } from './child.ts';
import type { Places } from './places.ts';

/** What a look-up came to, in the terms that decide how long to believe it. */
export interface LookUpAnswer {
  readonly kind: string;
}

/** An answer that says that there is none, and why. */
export interface Unavailable {
  readonly kind: 'unavailable';
  readonly reason: string;
}

export interface LookUpCacheOptions<Answer extends LookUpAnswer> {
  /** Starts a child that looks the key up, and reads what it said. */
  readonly start: (key: string) => { readonly answer: Promise<Answer>; readonly ended: Promise<void> };
  /** How long an answer is good for, in milliseconds. */
  readonly goodForMs: (answer: Answer | Unavailable) => number;
  /** Where children run; one that outlives its deadline keeps its place until it ends. */
  readonly places: Places;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** Answers of slow look-ups, kept for a while. */
export interface LookUpCache<Answer extends LookUpAnswer> {
  /**
   * The answer, from a child where none is known or it is too old. Those who ask for the same key at once share a
   * child. A look-up that fails does not displace an older answer, which stays good for an hour more: a directory
   * server that is away must not take everyone's name. Never rejects.
   */
  get(key: string): Promise<Answer | Unavailable>;
  /** The last answer, however old, without asking; null where there is none. For hot paths. */
  peek(key: string): Answer | Unavailable | null;
}

interface Entry<Answer> {
  readonly answer: Answer | Unavailable;
  readonly goodUntilMs: number;
  /** When the answer itself was given; a failed refresh does not move it. */
  readonly answeredAtMs: number;
}

/** Keys come from labels, which anybody writes: the cache must not grow with them. */
const mostEntries = 10_000;
const staleForMs = 3_600_000;

export function createLookUpCache<Answer extends LookUpAnswer>(
  options: LookUpCacheOptions<Answer>,
): LookUpCache<Answer> {
  const { now, places } = options;
  const entries = new Map<string, Entry<Answer>>();
  const underWay = new Map<string, Promise<Answer | Unavailable>>();
  /** Keys whose child has not ended, though its look-up may long have been given up. */
  const stuck = new Set<string>();

  function remember(key: string, answer: Answer | Unavailable): Answer | Unavailable {
    const before = entries.get(key);
    const at = now();
    const keepOld =
      answer.kind === 'unavailable' &&
      before !== undefined &&
      before.answer.kind !== 'unavailable' &&
      at - before.answeredAtMs < staleForMs;
    const kept = keepOld ? before.answer : answer;
    entries.delete(key);
    entries.set(key, {
      answer: kept,
      goodUntilMs: at + options.goodForMs(answer),
      answeredAtMs: keepOld ? before.answeredAtMs : at,
    });
    const oldest = entries.keys().next();
    if (entries.size > mostEntries && oldest.done !== true) entries.delete(oldest.value);
    return kept;
  }

  /** Others may have the place only when the child has really ended. */
  async function giveUpPlace(key: string, ended: Promise<void>): Promise<void> {
    await ended;
    stuck.delete(key);
    places.give();
  }

  async function lookUp(key: string): Promise<Answer | Unavailable> {
    if (stuck.has(key)) return remember(key, unavailable('the look-up before this one still hangs'));
    if (!(await places.take())) return remember(key, unavailable('too many look-ups are waiting'));
    const { answer, ended } = options.start(key);
    stuck.add(key);
    void giveUpPlace(key, ended);
    return remember(key, await answer);
  }

  return {
    get(key) {
      const known = entries.get(key);
      if (known !== undefined && now() < known.goodUntilMs) return Promise.resolve(known.answer);
      const shared = underWay.get(key);
      if (shared !== undefined) return shared;
      const own = lookUp(key).finally(() => underWay.delete(key));
      underWay.set(key, own);
      return own;
    },
    peek: (key) => entries.get(key)?.answer ?? null,
  };
}

export function unavailable(reason: string): Unavailable {
  return { kind: 'unavailable', reason };
}

/** Adapts a child to a look-up: `read` turns how it ended into an answer. */
export function answerOf<Answer>(
  run: ChildRun,
  read: (outcome: Awaited<ChildRun['outcome']>) => Answer,
): { readonly answer: Promise<Answer>; readonly ended: Promise<void> } {
  return { answer: run.outcome.then(read), ended: run.ended };
}
