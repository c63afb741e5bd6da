import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type LabBench, createLabBench, evidenceForMs, only, ownerOf } from './lab-bench.ts';
import { getentOfPeople } from './people.ts';
import { recordOf } from './records.ts';

let bench: LabBench;
beforeEach(() => {
  bench = createLabBench();
});
afterEach(() => bench.dispose());

describe('the evidence of an owner', () => {
  it('is gathered anew after its time, and not before', async () => {
    const lab = bench.labOn();
    const record = bench.start({ number: 1, labels: { 'gpuwarden.user': 'alice' } });
    expect(ownerOf(only(await lab.takeSnapshot()))).toBe('alice corroborated');
    bench.runAs(record, 1001);
    bench.nowMs += evidenceForMs;
    expect(ownerOf(only(await lab.takeSnapshot()))).toBe('alice corroborated');
    expect(only(await lab.takeSnapshot()).identity.ownership).toMatchObject({ contradictions: [] });
    bench.nowMs += 1;
    await expect
      .poll(async () => only(await lab.takeSnapshot()).identity.ownership)
      .toMatchObject({ contradictions: [{ evidence: 'process-uid', user: 'bob' }] });
  });

  it('stays with an incarnation: an owner is no mere claim because their work has just ended', async () => {
    const lab = bench.labOn();
    const record = bench.start({ number: 1, labels: { 'gpuwarden.user': 'alice' } });
    expect(ownerOf(only(await lab.takeSnapshot()))).toBe('alice corroborated');
    bench.runAs(record, 1001);
    bench.nowMs += evidenceForMs + 1;
    // The other's process has been seen, so the new look has been taken; alice's, which is gone, still counts.
    await expect
      .poll(async () => only(await lab.takeSnapshot()).identity.ownership)
      .toMatchObject({ contradictions: [{ user: 'bob' }] });
    expect(ownerOf(only(await lab.takeSnapshot()))).toBe('alice corroborated');
  });

  it('of one incarnation says nothing about the next', async () => {
    const lab = bench.labOn();
    bench.start({ number: 1, labels: { 'gpuwarden.user': 'alice' } });
    expect(ownerOf(only(await lab.takeSnapshot()))).toBe('alice corroborated');
    const restarted = bench.start({
      number: 1,
      pid: 3001,
      startedAt: '2026-03-01T11:00:00Z',
      labels: { 'gpuwarden.user': 'alice' },
    });
    bench.runAs(restarted, 0);
    expect(ownerOf(only(await lab.takeSnapshot()))).toBe('alice claimed');
  });

  it('stays for a container that has ended: nobody forgets whose it was', async () => {
    const lab = bench.labOn();
    const labels = { 'gpuwarden.user': 'alice' };
    bench.start({ number: 1, labels });
    await lab.takeSnapshot();
    bench.start({ number: 1, labels, state: 'exited' });
    expect(ownerOf(only(await lab.takeSnapshot()))).toBe('alice corroborated');
    bench.nowMs += evidenceForMs + 1;
    await lab.takeSnapshot();
    expect(ownerOf(only(await lab.takeSnapshot()))).toBe('alice corroborated');
  });

  it('is waited for a moment only: with a directory server that hangs, the label stands as a claim until it answers', async () => {
    const lab = bench.labOn({ getent: `${bench.hangUntilAnswers}\n${getentOfPeople}` });
    bench.start({ number: 1, labels: { 'gpuwarden.user': 'alice' } });
    const startMs = performance.now();
    expect(ownerOf(only(await lab.takeSnapshot()))).toBe('alice claimed');
    expect(performance.now() - startMs).toBeLessThan(2_500);
    // Nor is there a wait in every cycle.
    const againMs = performance.now();
    await lab.takeSnapshot();
    expect(performance.now() - againMs).toBeLessThan(500);
    bench.letAnswer();
    await expect
      .poll(async () => ownerOf(only(await lab.takeSnapshot())), { timeout: 5_000 })
      .toBe('alice corroborated');
  });

  it('for a container that appears while another still waits is asked for at once', async () => {
    const lab = bench.labOn({
      getent: `case "$2" in bob) ${bench.hangUntilAnswers} ;; esac\n${getentOfPeople}`,
    });
    bench.start({ number: 1, labels: { 'gpuwarden.user': 'bob' } });
    await lab.takeSnapshot();
    bench.start({ number: 2, labels: { 'gpuwarden.user': 'alice' } });
    const owners = (await lab.takeSnapshot()).containers.map(ownerOf);
    expect(owners).toEqual(['bob claimed', 'alice corroborated']);
    bench.letAnswer();
    const uids = async () =>
      (await lab.takeSnapshot()).containers.map(({ identity: { ownership } }) =>
        ownership.kind === 'owned' ? ownership.uid : null,
      );
    await expect.poll(uids, { timeout: 5_000 }).toEqual([1001, 1000]);
  });

  it('that is still being asked for belongs to the container as it was: what is new about it counts at once', async () => {
    const lab = bench.labOn({
      getent: `case "$2" in bob) ${bench.hangUntilAnswers} ;; esac\n${getentOfPeople}`,
    });
    const labels = { 'com.docker.compose.project.working_dir': '/home/bob/stack' };
    bench.start({ number: 1, name: 'x._.1000', labels });
    expect(ownerOf(only(await lab.takeSnapshot()))).toBe('alice corroborated');
    const restarted = bench.start({
      number: 1,
      name: 'x._.1000',
      labels,
      pid: 3001,
      startedAt: '2026-03-01T11:00:00Z',
    });
    bench.runAs(restarted, 0);
    expect(ownerOf(only(await lab.takeSnapshot()))).toBe('alice claimed');
    bench.records.set(restarted.id, recordOf({ number: 1, name: 'x._.1002', labels }));
    expect(ownerOf(only(await lab.takeSnapshot()))).toBe('uid:1002 claimed');
    bench.letAnswer();
    await expect
      .poll(async () => ownerOf(only(await lab.takeSnapshot())), { timeout: 5_000 })
      .toBe('carol claimed');
  });

  it('by a mounted directory counts in the first snapshot too', async () => {
    const lab = bench.labOn({ stat: 'case "$5" in /home/bob/data) echo 1001 ;; *) exit 1 ;; esac' });
    const record = bench.start({ number: 1, mounts: ['/home/bob/data'] });
    bench.runAs(record, 0);
    expect(ownerOf(only(await lab.takeSnapshot()))).toBe('bob corroborated');
  });
});
