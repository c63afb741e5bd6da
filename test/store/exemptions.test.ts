import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Keep, type Protection, createExemptions } from '../../agent/store/exemptions.ts';
import { containerId, dataFolder, nowMs, open, userName } from './stores.ts';

const hourMs = 60 * 60 * 1000;

function exemptionsIn(folder = dataFolder()) {
  return createExemptions(open(folder));
}

function protection(changes: Partial<Protection> = {}): Protection {
  return {
    containerId: containerId(1),
    by: 'person:root',
    reason: 'paper deadline',
    sinceMs: nowMs,
    untilMs: null,
    ...changes,
  };
}

function keep(changes: Partial<Keep> = {}): Keep {
  return {
    target: { kind: 'container', containerId: containerId(1) },
    requestedBy: 'person:alice',
    reason: 'results are in memory',
    fromMs: nowMs,
    untilMs: nowMs + 24 * hourMs,
    ...changes,
  };
}

const ofContainer = { kind: 'container', containerId: containerId(1) } as const;
const alice = userName('alice');

describe('a protection', () => {
  it('holds until it is taken back, over restarts', () => {
    const folder = dataFolder();
    exemptionsIn(folder).protect(protection());
    const exemptions = exemptionsIn(folder);
    expect(exemptions.protectionOf(containerId(1), nowMs + 1e12)).toEqual(protection());
    expect(exemptions.protectionOf(containerId(2), nowMs)).toBeNull();
    expect(exemptions.unprotect(containerId(1))).toBe(true);
    expect(exemptions.unprotect(containerId(1))).toBe(false);
    expect(exemptions.protectionsAt(nowMs)).toEqual([]);
  });

  it('with an end holds up to that instant, and not before it begins', () => {
    const exemptions = exemptionsIn();
    const limited = protection({ untilMs: nowMs + hourMs });
    exemptions.protect(limited);
    const holds = (atMs: number) => [
      exemptions.protectionsAt(atMs).length,
      exemptions.protectionOf(containerId(1), atMs) !== null,
    ];
    expect(holds(nowMs - 1)).toEqual([0, false]);
    expect(holds(nowMs)).toEqual([1, true]);
    expect(holds(nowMs + hourMs - 1)).toEqual([1, true]);
    expect(holds(nowMs + hourMs)).toEqual([0, false]);
  });

  it('that is given again takes the place of the one before', () => {
    const exemptions = exemptionsIn();
    exemptions.protect(protection({ untilMs: nowMs + hourMs }));
    exemptions.protect(protection({ by: 'person:bob' }));
    expect(exemptions.protectionsAt(nowMs)).toEqual([protection({ by: 'person:bob' })]);
  });

  it('cannot end before it begins', () => {
    const exemptions = exemptionsIn();
    expect(() => exemptions.protect(protection({ untilMs: nowMs }))).toThrow('CHECK constraint failed');
  });
});

describe('a keep', () => {
  it('holds from its beginning up to its end', () => {
    const folder = dataFolder();
    const id = exemptionsIn(folder).addKeep(keep());
    const exemptions = exemptionsIn(folder);
    expect(exemptions.keepsAt(nowMs)).toEqual([{ id, ...keep() }]);
    expect(exemptions.keepsAt(nowMs - 1)).toEqual([]);
    expect(exemptions.keepsAt(nowMs + 24 * hourMs)).toEqual([]);
  });

  it('of a container is its own or that of its owner: the one that lasts', () => {
    const exemptions = exemptionsIn();
    const user = { kind: 'user', user: alice } as const;
    exemptions.addKeep(keep());
    const longer = exemptions.addKeep(keep({ target: user, untilMs: nowMs + 48 * hourMs }));
    exemptions.addKeep(keep({ target: { kind: 'container', containerId: containerId(2) } }));
    expect(exemptions.keepOf(containerId(1), alice, nowMs)?.id).toBe(longer);
    expect(exemptions.keepOf(containerId(1), null, nowMs)?.target).toEqual(ofContainer);
    expect(exemptions.keepOf(containerId(3), userName('bob'), nowMs)).toBeNull();
    expect(exemptions.keepOf(containerId(3), null, nowMs)).toBeNull();
  });

  it('that is ended early gives back what is left of it', () => {
    const exemptions = exemptionsIn();
    const id = exemptions.addKeep(keep());
    expect(exemptions.keptSeconds(ofContainer, nowMs)).toBe(24 * 3600);
    expect(exemptions.endKeep(id, nowMs + hourMs)).toBe(true);
    expect(exemptions.endKeep(id, nowMs + 2 * hourMs)).toBe(false);
    expect(exemptions.endKeep(id + 1, nowMs)).toBe(false);
    expect(exemptions.keepsAt(nowMs + hourMs)).toEqual([]);
    expect(exemptions.keptSeconds(ofContainer, nowMs)).toBe(3600);
    const planned = exemptions.addKeep(keep({ fromMs: nowMs + 10 * hourMs }));
    expect(exemptions.endKeep(planned, nowMs + 2 * hourMs)).toBe(true);
    expect(exemptions.keptSeconds(ofContainer, nowMs)).toBe(3600);
  });
});

describe('the time that was kept', () => {
  it('counts from the given instant on, with what is already promised', () => {
    const exemptions = exemptionsIn();
    exemptions.addKeep(keep());
    expect(exemptions.keptSeconds(ofContainer, nowMs - 100 * hourMs)).toBe(24 * 3600);
    expect(exemptions.keptSeconds(ofContainer, nowMs + 20 * hourMs)).toBe(4 * 3600);
    expect(exemptions.keptSeconds(ofContainer, nowMs + 24 * hourMs)).toBe(0);
  });

  it('is counted by container, by user, and by who asked for it', () => {
    const exemptions = exemptionsIn();
    exemptions.addKeep(keep());
    exemptions.addKeep(
      keep({ requestedBy: 'person:root', fromMs: nowMs + 12 * hourMs, untilMs: nowMs + 30 * hourMs }),
    );
    exemptions.addKeep(
      keep({ target: { kind: 'container', containerId: containerId(2) }, untilMs: nowMs + hourMs }),
    );
    exemptions.addKeep(keep({ target: { kind: 'user', user: alice }, untilMs: nowMs + 2 * hourMs }));
    const kept = (budget: Parameters<typeof exemptions.keptSeconds>[0]) =>
      exemptions.keptSeconds(budget, nowMs) / 3600;
    expect(kept(ofContainer)).toBe(30);
    expect(kept({ kind: 'container', containerId: containerId(2) })).toBe(1);
    expect(kept({ kind: 'user', user: alice })).toBe(2);
    expect(kept({ kind: 'requester', requestedBy: 'person:alice' })).toBe(24 + 1 + 2);
    expect(kept({ kind: 'requester', requestedBy: 'person:root' })).toBe(18);
    expect(kept({ kind: 'requester', requestedBy: 'person:bob' })).toBe(0);
  });

  it('counts each second of a container once, however its keeps overlap', () => {
    const span = fc.record({ from: fc.nat({ max: 50 }), length: fc.nat({ max: 20 }) });
    fc.assert(
      fc.property(fc.array(span, { maxLength: 8 }), fc.nat({ max: 60 }), (spans, since) => {
        const exemptions = exemptionsIn();
        const seconds = new Set<number>();
        for (const { from, length } of spans) {
          exemptions.addKeep(keep({ fromMs: from * 1000, untilMs: (from + length) * 1000 }));
          for (let second = from; second < from + length; second += 1)
            if (second >= since) seconds.add(second);
        }
        expect(exemptions.keptSeconds(ofContainer, since * 1000)).toBe(seconds.size);
      }),
      { numRuns: 60 },
    );
  });
});

describe('what is long over', () => {
  it('is dropped, and nothing that holds or still counts', () => {
    const exemptions = exemptionsIn();
    exemptions.protect(protection());
    exemptions.protect(protection({ containerId: containerId(2), untilMs: nowMs + hourMs }));
    exemptions.addKeep(keep());
    exemptions.addKeep(keep({ untilMs: nowMs + hourMs }));
    expect(exemptions.prune(nowMs + 2 * hourMs)).toBe(2);
    expect(exemptions.protectionsAt(nowMs)).toEqual([protection()]);
    expect(exemptions.keptSeconds(ofContainer, nowMs)).toBe(24 * 3600);
  });
});
