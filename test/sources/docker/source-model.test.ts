import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import type { ContainerId } from '../../../agent/config/ids.ts';
import { idOf } from '../cgroup/machine.ts';
import { type FakeEngine, type HeldAnswer, startFakeEngine } from './fake-engine.ts';
import { follow, stopAll, until } from './followed.ts';

/** Something that happens to an Engine, or to the connection with it. */
type Happening =
  | { readonly kind: 'put'; readonly which: number; readonly name: string; readonly lost: boolean }
  | { readonly kind: 'die'; readonly which: number; readonly lost: boolean }
  | { readonly kind: 'remove'; readonly which: number; readonly lost: boolean }
  | { readonly kind: 'hold'; readonly what: 'inspect' | 'list' }
  | { readonly kind: 'release' }
  | { readonly kind: 'refresh'; readonly which: number }
  | { readonly kind: 'restart' }
  | { readonly kind: 'settle' };

const which = fc.nat({ max: 4 });
const lost = fc.boolean();
const happening: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('put'), which, name: fc.constantFrom('a', 'b', 'c'), lost }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('die'), which, lost }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('remove'), which, lost }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('hold'), what: fc.constantFrom('inspect', 'list') }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('release') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('refresh'), which }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart') }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('settle') }) },
);

it('whatever happens in whatever order, the containers known are in the end those that there are', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(happening, { maxLength: 30 }), async (happenings) => {
      const engine = await startFakeEngine();
      try {
        await live(engine, happenings);
      } finally {
        await stopAll();
        await engine.dispose();
      }
    }),
    { numRuns: 60, interruptAfterTimeLimit: 20_000, markInterruptAsFailure: false },
  );
}, 40_000);

async function live(engine: FakeEngine, happenings: readonly Happening[]): Promise<void> {
  const held: HeldAnswer[] = [];
  /** Ids of containers that are gone: Docker never gives one again. */
  const incarnations = new Map<number, number>();
  const toldGone = new Set<ContainerId>();
  const idNow = (number: number) => idOf(number + 16 * (incarnations.get(number) ?? 0));

  const { source } = follow(engine, { reconcileMs: 15 });
  await source.firstAttempt;
  const ghosts: ContainerId[] = [];
  source.onChange(() => {
    for (const id of toldGone) if (source.containers.has(id)) ghosts.push(id);
  });

  for (const one of happenings) {
    switch (one.kind) {
      case 'put':
        engine.put(idNow(one.which), one.lost ? null : 'start', { name: one.name, state: 'running' });
        break;
      case 'die':
        if (engine.containers.has(idNow(one.which)))
          engine.put(idNow(one.which), one.lost ? null : 'die', { state: 'exited' });
        break;
      case 'remove': {
        const id = idNow(one.which);
        if (!engine.containers.has(id)) break;
        engine.remove(id, one.lost ? null : 'destroy');
        incarnations.set(one.which, (incarnations.get(one.which) ?? 0) + 1);
        // Once it was seen to be gone, it must stay away.
        await breath();
        if (!source.containers.has(id)) toldGone.add(id);
        break;
      }
      case 'hold':
        held.push(engine.hold(one.what));
        break;
      case 'release':
        held.shift()?.release();
        break;
      case 'refresh':
        source.refresh(idNow(one.which));
        break;
      case 'restart':
        await engine.down();
        await engine.up();
        break;
      case 'settle':
        await breath();
        break;
    }
  }
  for (const answer of held) answer.release();
  await until(() => source.state.kind === 'up' && same(engine, source.containers));
  expect(ghosts).toEqual([]);
}

/** A few turns of the event loop, in which answers and events arrive. */
async function breath(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

function same(
  engine: FakeEngine,
  known: ReadonlyMap<ContainerId, { readonly name: string; readonly state: string }>,
): boolean {
  return (
    known.size === engine.containers.size &&
    [...engine.containers.values()].every(({ id, name, state }) => {
      const record = known.get(id);
      return record?.name === name && record.state === state;
    })
  );
}
