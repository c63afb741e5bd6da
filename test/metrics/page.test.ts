import { describe, expect, it } from 'vitest';
import type { LabContainer, Snapshot } from '../../agent/lab/snapshot.ts';
import { catalogue } from '../../agent/metrics/catalogue.ts';
import { type Instruments, createInstruments } from '../../agent/metrics/instruments.ts';
import { describeWithParts } from '../integration/engine.ts';
import { parseExposition, promtoolCheck, rowsOf } from '../integration/exposition.ts';
import type { Described } from '../lab/records.ts';
import { sampleOf } from '../lab/samples.ts';
import { render, rows, smallMachine } from './pages.ts';
import { snapshotOf } from './snapshots.ts';

/** What is different in every process stands for itself. */
function withoutOwnUse(page: string): string {
  return page.replaceAll(
    /^(gpuwarden_agent_(?:cpu_seconds_total|resident_memory_bytes)\{.*\}) .*$/gm,
    '$1 OWN',
  );
}

function usedInstruments(): Instruments {
  const instruments = createInstruments();
  instruments.sampleDuration.observe(0.012);
  instruments.requestDuration.observe({ route: '/metrics', status: '200' }, 0.004);
  instruments.configReloads.inc({ result: 'ok' });
  return instruments;
}

describe('the page of a small machine', () => {
  it.each([
    ['text', 'page.prom'],
    ['openmetrics', 'page.openmetrics'],
  ] as const)('is, byte for byte, what it was (%s); vitest -u writes it anew', async (format, file) => {
    const { text, log } = await render({
      snapshot: smallMachine,
      containerLabels: ['note'],
      instruments: usedInstruments(),
      format,
    });
    await expect(withoutOwnUse(text)).toMatchFileSnapshot(`../fixtures/metrics/${file}`);
    expect(log).toEqual([]);
  });

  it('has the same series in both formats', async () => {
    const pages = await Promise.all(
      (['text', 'openmetrics'] as const).map((format) =>
        render({ snapshot: smallMachine, instruments: usedInstruments(), format }),
      ),
    );
    const [one, other] = pages.map(({ text }) =>
      withoutOwnUse(text)
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('#')),
    );
    expect(one).toEqual(other);
    expect(one?.length).toBeGreaterThan(80);
  });
});

describe('before the first sample', () => {
  it('the agent speaks of itself alone', async () => {
    const names = new Set((await rows({ snapshot: null })).map(({ name }) => name));
    expect([...names].filter((name) => name.startsWith('gpuwarden_container'))).toEqual([]);
    expect(names).toContain('gpuwarden_agent_resident_memory_bytes');
  });
});

describe('the catalogue and the page', () => {
  function headersOf(page: string): ReadonlyMap<string, { readonly type: string; readonly help: string }> {
    const help = new Map(
      [...page.matchAll(/^# HELP (\S+) (.*)$/gm)].map(([, name = '', text = '']) => [name, text]),
    );
    const types = [...page.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
    return new Map(types.map(([, name = '', type = '']) => [name, { type, help: help.get(name) ?? '' }]));
  }

  it('agree in every family: name, type and help', async () => {
    const { text } = await render({
      snapshot: smallMachine,
      instruments: usedInstruments(),
      containerLabels: ['note'],
    });
    const declared = new Map(
      catalogue.map(({ name, type, help }) => [name, { type, help: help.replaceAll('\\', '\\\\') }]),
    );
    expect(Object.fromEntries(headersOf(text))).toEqual(Object.fromEntries(declared));
    expect(declared.size).toBe(catalogue.length);
  });

  it('agree in the labels of every series', async () => {
    const labelsOf = new Map(catalogue.map(({ name, labels }) => [name as string, labels]));
    for (const { name, labels } of await rows({ snapshot: smallMachine, instruments: usedInstruments() })) {
      const family = labelsOf.has(name) ? name : name.replace(/_(?:bucket|sum|count)$/, '');
      const expected = new Set(['host', ...(labelsOf.get(family) ?? [`${family} is not in the catalogue`])]);
      expect([...labels.keys()].filter((label) => label !== 'le')).toEqual(
        [...expected].filter((label) => labels.has(label)),
      );
      expect(labels.get('host')).toBe('gpu1');
      if (!name.endsWith('_bucket')) expect(labels.size).toBe(expected.size);
    }
  });

  it('keep the rules of names: unique, prefixed, base units, _total on counters and nothing else', () => {
    const names = catalogue.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { name, type, help, labels } of catalogue) {
      expect(name).toMatch(/^gpuwarden_[a-z][a-z0-9_]*$/);
      expect(name.endsWith('_total')).toBe(type === 'counter');
      expect(name).not.toMatch(
        /_(?:ms|milliseconds|minutes|hours|percent|kb|mb|gb|kilobytes|megabytes|gigabytes)(?:_|$)/,
      );
      expect(help).toMatch(/\S\.$/);
      expect(labels).not.toContain('host');
      expect(new Set(labels).size).toBe(labels.length);
    }
  });
});

describe('a series', () => {
  it('of what is unknown is absent, and of a limit that is none as well', async () => {
    const page = await rows({ snapshot: smallMachine });
    const evil = { container: 'evil"} 1\n\\' };
    expect(rowsOf(page, 'gpuwarden_container_cpu_seconds_total', evil)).toHaveLength(1);
    expect(rowsOf(page, 'gpuwarden_container_memory_working_set_bytes', evil)).toEqual([]);
    expect(rowsOf(page, 'gpuwarden_container_memory_limit_bytes', evil)).toEqual([]);
    expect(rowsOf(page, 'gpuwarden_container_pids_limit')).toEqual([]);
    expect(rowsOf(page, 'gpuwarden_container_cpu_seconds_total', { container: 'finished' })).toEqual([]);
    expect(rowsOf(page, 'gpuwarden_container_max_runtime_seconds', { container: 'training' })).toEqual([]);
    expect(rowsOf(page, 'gpuwarden_host_pressure_seconds_total', { resource: 'io' })).toEqual([]);
    expect(page.filter(({ value }) => !Number.isFinite(value))).toEqual([]);
  });

  it('of a source says up, down, or nothing while it starts', async () => {
    const page = await rows({ snapshot: smallMachine });
    const up = (source: string) => rowsOf(page, 'gpuwarden_source_up', { source }).map(({ value }) => value);
    expect([up('cgroup'), up('docker'), up('filesystems')]).toEqual([[1], [0], []]);
  });

  it('follows a container that is renamed or gets another owner', async () => {
    const labels = async (described: Described, processUids: readonly number[]) =>
      Object.fromEntries(
        rowsOf(
          await rows({ snapshot: snapshotOf({ containers: [described], processUids }) }),
          'gpuwarden_container_info',
        )[0]?.labels ?? [],
      );
    expect(await labels({ name: 'a._.1000' }, [])).toMatchObject({ container: 'a._.1000', user: 'alice' });
    expect(await labels({ name: 'b._.1001' }, [1001])).toMatchObject({
      container: 'b._.1001',
      user: 'bob',
      owner_source: 'corroborated',
    });
  });
});

describe('a family that cannot be written', () => {
  /** A snapshot in which pressure cannot be read from one container. */
  function broken(): Snapshot {
    const sample = {
      ...sampleOf({ cpuSeconds: 1 }),
      get pressure(): never {
        throw new Error('a defect');
      },
    };
    const containers = smallMachine.containers.map(
      (container, index): LabContainer => (index === 1 ? { ...container, sample } : container),
    );
    return { ...smallMachine, containers };
  }

  it('is left out whole and counted; the others stand, and the log says why', async () => {
    const instruments = createInstruments();
    const { text, log } = await render({ snapshot: broken(), instruments });
    expect(text).not.toContain('gpuwarden_container_pressure_seconds_total');
    const page = parseExposition(text);
    expect(rowsOf(page, 'gpuwarden_container_cpu_seconds_total')).toHaveLength(2);
    expect(rowsOf(page, 'gpuwarden_collector_errors_total')[0]?.value).toBe(1);
    expect(log).toHaveLength(1);
    expect(JSON.parse(log[0] ?? '')).toMatchObject({
      metric: 'gpuwarden_container_pressure_seconds_total',
      err: { message: 'a defect' },
    });
    expect(
      rowsOf(
        parseExposition((await render({ snapshot: broken(), instruments })).text),
        'gpuwarden_collector_errors_total',
      )[0]?.value,
    ).toBe(2);
  });
});

describeWithParts(['promtool'], 'Prometheus itself', () => {
  it('has nothing to say about the page', async () => {
    const { text } = await render({
      snapshot: smallMachine,
      instruments: usedInstruments(),
      containerLabels: ['note'],
    });
    expect(await promtoolCheck(text)).toBe('');
  });
});
