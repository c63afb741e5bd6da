import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ownerLabel } from '../../agent/lab/snapshot.ts';
import { formatLabels } from '../../agent/metrics/exposition.ts';
import { anyText } from '../any-text.ts';
import { parseExposition, rowsOf } from '../integration/exposition.ts';
import { sampleOf } from '../lab/samples.ts';
import { render, rows } from './pages.ts';
import { snapshotOf } from './snapshots.ts';

describe('no page has a series twice', () => {
  // parseExposition refuses a page with a series that comes twice.
  it('with two containers whose ids begin with the same twelve digits', async () => {
    const page = await rows({
      snapshot: snapshotOf({
        containers: [
          { number: 1, name: 'one' },
          { number: 2, name: 'two' },
        ],
      }),
    });
    const ids = rowsOf(page, 'gpuwarden_container_info').map(({ labels }) => labels.get('container_id'));
    expect(ids).toEqual(['000000000000', '000000000000']);
  });

  it('with two that are called alike besides: the one that Docker told of last has them', async () => {
    const [older, newer] = [
      { number: 1, name: 'same', image: 'old' },
      { number: 2, name: 'same', image: 'new', sample: sampleOf({ cpuSeconds: 7 }) },
    ];
    const page = await rows({ snapshot: snapshotOf({ containers: [older, newer] }) });
    expect(rowsOf(page, 'gpuwarden_container_info').map(({ labels }) => labels.get('image'))).toEqual([
      'new',
    ]);
    expect(rowsOf(page, 'gpuwarden_container_cpu_seconds_total').map(({ value }) => value)).toEqual([7]);
  });

  it('with two names so long that they are cut to the same', async () => {
    const long = 'x'.repeat(300);
    const page = await rows({
      snapshot: snapshotOf({
        containers: [
          { number: 1, name: `${long}1` },
          { number: 2, name: `${long}2` },
        ],
      }),
    });
    expect(rowsOf(page, 'gpuwarden_container_state')).toHaveLength(1);
  });

  it('with contradictions of the same kind, or for the same user', async () => {
    const snapshot = snapshotOf({
      containers: [
        {
          labels: { 'gpuwarden.user': 'alice', 'ds01.user': 'bob', 'aime.mlc.USER': 'bob' },
          mounts: ['/home/bob/1', '/home/bob/2', '/home/carol/3'],
        },
      ],
      paths: { '/home/bob/1': 1001, '/home/bob/2': 1001, '/home/carol/3': 1002 },
      processUids: [1001, 1002],
    });
    const found = rowsOf(await rows({ snapshot }), 'gpuwarden_container_owner_contradiction');
    expect(found.map(({ labels }) => `${labels.get('evidence')} ${labels.get('suggests')}`)).toEqual([
      'label:ds01.user bob',
      'label:aime.mlc.USER bob',
      'bind-mount bob',
      'bind-mount carol',
      'process-uid bob',
      'process-uid carol',
    ]);
  });

  it('with Docker labels that become the same label', async () => {
    const snapshot = snapshotOf({
      containers: [{ labels: { 'a.b': '1', 'a-b': '2', a_b: '3', 'ä.b': '4' } }],
    });
    const page = await rows({ snapshot, containerLabels: ['a.b', 'a-b', 'a_b', 'ä.b'] });
    const [series, ...more] = rowsOf(page, 'gpuwarden_container_labels');
    expect(more).toEqual([]);
    expect(Object.fromEntries(series?.labels ?? [])).toMatchObject({ label_a_b: '1', label___b: '4' });
  });

  it('with a Docker label called like our own, or like something of JavaScript', async () => {
    const containerLabels = ['container_id', 'user', 'host', '__proto__', 'constructor', '0'];
    // A computed key makes a property of its own even of __proto__.
    const labels = Object.fromEntries(containerLabels.map((name) => [name, 'forged']));
    const page = await rows({ snapshot: snapshotOf({ containers: [{ labels }] }), containerLabels });
    expect(Object.fromEntries(rowsOf(page, 'gpuwarden_container_labels')[0]?.labels ?? [])).toEqual({
      host: 'gpu1',
      container_id: '000000000000',
      container: 'container-1',
      user: 'unknown',
      label_container_id: 'forged',
      label_user: 'forged',
      label_host: 'forged',
      label___proto__: 'forged',
      label_constructor: 'forged',
      label_0: 'forged',
    });
  });

  it('with mount points so long that they are cut to the same, or one that is mounted over', async () => {
    const long = `/${'x'.repeat(300)}`;
    const disk = { type: 'ext4', sizeBytes: 1, availableBytes: 1, holdsDockerData: false };
    const filesystems = [`${long}1`, `${long}2`, '/data', '/data'].map((mountPoint) => ({
      ...disk,
      mountPoint,
    }));
    const page = await rows({ snapshot: snapshotOf({ filesystems }) });
    expect(rowsOf(page, 'gpuwarden_host_filesystem_size_bytes')).toHaveLength(2);
  });

  it('whatever strangers call their containers, labels, images and projects', async () => {
    const text = fc.oneof(
      anyText({ maxLength: 20 }),
      fc.constantFrom(
        '',
        'x',
        'alice',
        'bob',
        'unknown',
        '"',
        '\\',
        '\n',
        '"} 1\n',
        '\ud800',
        'x'.repeat(300),
      ),
    );
    const described = fc.record({
      name: text,
      image: text,
      state: fc.constantFrom('running', 'paused', 'exited', 'created', 'dead', 'restarting', 'removing'),
      labels: fc.record(
        { 'gpuwarden.user': text, 'ds01.user': text, 'gpuwarden.project': text, note: text },
        { requiredKeys: [] },
      ),
      mounts: fc.subarray(['/home/alice/x', '/home/bob/x', '/home/bob/y']),
      sample: fc.constantFrom(sampleOf(), sampleOf({ cpuSeconds: Number.NaN, pids: Infinity, pidsLimit: 1 })),
    });
    const paths = { '/home/alice/x': 1000, '/home/bob/x': 1001, '/home/bob/y': 1001 };
    await fc.assert(
      fc.asyncProperty(fc.array(described, { maxLength: 6 }), text, async (containers, host) => {
        const snapshot = snapshotOf({
          containers: containers.map((container, index) => ({ ...container, number: index + 1 })),
          paths,
          processUids: [0, 1001],
        });
        const { text: written, log } = await render({ snapshot, host, containerLabels: ['note'] });
        expect(log).toEqual([]);
        const page = parseExposition(written);
        // All their ids begin alike: what tells them apart is the rest of what stands on every series.
        const apart = new Set(
          snapshot.containers.map(({ record, identity }) =>
            formatLabels({ container: record.name, user: ownerLabel(identity.ownership) }),
          ),
        );
        expect(rowsOf(page, 'gpuwarden_container_info')).toHaveLength(apart.size);
      }),
      { numRuns: 200 },
    );
  }, 60_000);
});
