import { setTimeout } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { createHostSource, parseCpuSeconds, parseLoad } from '../../agent/sources/host.ts';
import { defaultMachinePaths } from '../../agent/sources/machine-paths.ts';
import { type Machine, createMachine } from './cgroup/machine.ts';

let machine: Machine | null = null;

afterEach(() => machine?.dispose());

describe('the host', () => {
  it('is read from its /proc', async () => {
    machine = createMachine();
    machine.write(
      'proc/stat',
      'cpu  350607 246 103087 755727 3177 0 2238 44454 2 0\ncpu0 1 1 1 1 1 1 1 1 1 1\ncpu1 1 1 1 1 1 1 1 1 1 1\nbtime 1795448000\n',
    );
    machine.write(
      'proc/meminfo',
      'MemTotal:       24684092 kB\nMemAvailable:   23000000 kB\nSwapTotal:             0 kB\nSwapFree:              0 kB\n',
    );
    machine.write('proc/loadavg', '0.21 0.37 0.39 1/719 19737\n');
    machine.write(
      'proc/pressure/cpu',
      'some avg10=37.93 avg60=18.90 avg300=10.32 total=604943900\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n',
    );
    expect(await createHostSource({ paths: machine.paths, dockerRoot: () => null }).sample()).toEqual({
      cpuSeconds: {
        user: 3506.07,
        nice: 2.46,
        system: 1030.87,
        idle: 7557.27,
        iowait: 31.77,
        irq: 0,
        softirq: 22.38,
        steal: 444.54,
      },
      cpuCount: 2,
      memoryTotalBytes: 24684092 * 1024,
      memoryAvailableBytes: 23000000 * 1024,
      swapTotalBytes: 0,
      swapFreeBytes: 0,
      load: [0.21, 0.37, 0.39],
      bootTimeSeconds: 1795448000,
      pressure: {
        cpuSomeSeconds: 604.9439,
        memorySomeSeconds: null,
        memoryFullSeconds: null,
        ioSomeSeconds: null,
        ioFullSeconds: null,
      },
    });
  });

  it('is unknown where there is no /proc, and nothing is zero', async () => {
    machine = createMachine();
    const sample = await createHostSource({ paths: machine.paths, dockerRoot: () => null }).sample();
    const { pressure, ...rest } = sample;
    expect([...Object.values(rest), ...Object.values(pressure)].filter((value) => value !== null)).toEqual(
      [],
    );
  });

  it('is there on this machine', async () => {
    const sample = await createHostSource({ paths: defaultMachinePaths, dockerRoot: () => null }).sample();
    expect(sample.cpuSeconds?.idle).toBeGreaterThan(0);
    expect(sample.memoryTotalBytes).toBeGreaterThan(sample.memoryAvailableBytes ?? Number.NaN);
    expect(sample.bootTimeSeconds).toBeLessThan(Date.now() / 1000);
  });

  it.each(['', 'cpu  1 2 3\n', 'cpu  a b c d e f g h\n'])('has no CPU time in %j', (stat) => {
    expect(parseCpuSeconds(stat)).toBeNull();
  });

  it.each(['', '0.1', '0.1 0.2\n'])('has no load in %j', (text) => {
    expect(parseLoad(text)).toBeNull();
  });
});

describe('the file systems', () => {
  it('are those that hold data, and one of them holds Docker’s', async () => {
    const outcome = await createHostSource({
      paths: defaultMachinePaths,
      dockerRoot: () => '/',
    }).nextFilesystems();
    if (outcome.kind !== 'read') throw new Error(outcome.reason);
    for (const { type, sizeBytes, availableBytes } of outcome.filesystems) {
      expect(['overlay', 'tmpfs', 'devtmpfs', 'squashfs']).not.toContain(type);
      expect(sizeBytes).toBeGreaterThanOrEqual(availableBytes);
    }
    const holding = outcome.filesystems.filter(({ holdsDockerData }) => holdsDockerData);
    expect(holding.length).toBeLessThanOrEqual(1);
  });

  it('fail at the deadline and leave nothing behind', async () => {
    const source = createHostSource({
      paths: defaultMachinePaths,
      dockerRoot: () => null,
      filesystemsDeadlineMs: 5,
    });
    const [one, other] = await Promise.all([source.nextFilesystems(), source.nextFilesystems()]);
    expect(one.kind).toBe('failed');
    expect(other).toBe(one);
    await setTimeout(200);
    expect(await source.nextFilesystems()).toMatchObject({
      kind: 'failed',
      reason: expect.stringContaining('0.005 s'),
    });
  });
});
