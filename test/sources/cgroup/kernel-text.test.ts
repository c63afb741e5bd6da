import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decimalAt,
  lineKey,
  sumAfter,
  valueOfKey,
  wholeDecimal,
  wholeLimit,
} from '../../../agent/sources/cgroup/kernel-text.ts';
import { readNetDev } from '../../../agent/sources/cgroup/network.ts';
import { fullSeconds, someSeconds } from '../../../agent/sources/cgroup/pressure.ts';
import { type CgroupFile, emptyReadings, toSample } from '../../../agent/sources/cgroup/readings.ts';
import { v1Files } from '../../../agent/sources/cgroup/v1.ts';
import { v2Files } from '../../../agent/sources/cgroup/v2.ts';
import { captureNames, loadCapture } from './capture.ts';
import { netDev } from './machine.ts';

const bytes = (text: string) => Buffer.from(text, 'latin1');
const counter = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const key = fc.stringMatching(/^[a-z_]{1,20}$/);

describe('a number', () => {
  it.each([
    ['0\n', 0],
    ['9007199254740993\n', 9007199254740992],
    ['18446744073709551615\n', 2 ** 64],
    ['12 rest\n', 12],
  ])('%j is %d', (text, value) => {
    expect(decimalAt(bytes(text), 0)).toBe(value);
  });

  it.each(['', '\n', '12', '12x\n', '-1\n', ' 12\n', 'max\n', '184467440737095516150\n', '1.5\n', '0x10\n'])(
    '%j is none',
    (text) => {
      expect(decimalAt(bytes(text), 0)).toBeNull();
    },
  );

  it('is the nearest double, whatever 64 bits hold', () => {
    fc.assert(
      fc.property(counter, (value) => {
        expect(wholeDecimal(bytes(`${value}\n`))).toBe(Number(value));
      }),
    );
  });

  it('is the whole file or none', () => {
    expect(wholeDecimal(bytes('12 13\n'))).toBeNull();
    expect(wholeDecimal(bytes('12\n13\n'))).toBeNull();
    expect(wholeLimit(bytes('max\n'))).toBe(Number.POSITIVE_INFINITY);
    expect(wholeLimit(bytes('max'))).toBeNull();
    expect(wholeLimit(bytes('maximum\n'))).toBeNull();
  });
});

describe('a flat keyed file', () => {
  it('gives what splitting it into lines gives', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(key, counter), { selector: ([name]) => name }),
        key,
        (lines, wanted) => {
          const text = lines.map(([name, value]) => `${name} ${value}\n`).join('');
          const naive = text
            .split('\n')
            .map((line) => line.split(' '))
            .find(([name]) => name === wanted)?.[1];
          expect(valueOfKey(bytes(text), lineKey(wanted))).toBe(naive === undefined ? null : Number(naive));
          for (const [name, value] of lines)
            expect(valueOfKey(bytes(text), lineKey(name))).toBe(Number(value));
        },
      ),
    );
  });

  it('gives, cut short anywhere, the same value or none', () => {
    fc.assert(
      fc.property(counter, counter, fc.nat(), (first, second, cut) => {
        const text = `total_inactive_file ${first}\ninactive_file ${second}\n`;
        const part = bytes(text.slice(0, cut % text.length));
        expect([null, Number(first)]).toContain(valueOfKey(part, lineKey('total_inactive_file')));
        expect([null, Number(second)]).toContain(valueOfKey(part, lineKey('inactive_file')));
      }),
    );
  });
});

describe('a file of disks', () => {
  it('is summed as splitting it would sum it', () => {
    const disk = fc.tuple(fc.nat(300), fc.nat(300), fc.nat(2 ** 40), fc.nat(2 ** 40));
    fc.assert(
      fc.property(fc.array(disk, { minLength: 1 }), (disks) => {
        const text = disks.map(
          ([major, minor, read, write]) => `${major}:${minor} rbytes=${read} wbytes=${write} rios=1\n`,
        );
        const sum = (index: 2 | 3) => disks.reduce((total, one) => total + one[index], 0);
        expect(sumAfter(bytes(text.join('')), bytes(' rbytes='))).toBe(sum(2));
        expect(sumAfter(bytes(text.join('')), bytes(' wbytes='))).toBe(sum(3));
        expect(sumAfter(bytes(text.join('').slice(0, -1)), bytes(' rbytes='))).toBeNull();
      }),
    );
  });

  it('without a disk is unknown on v1 and nothing yet on v2', () => {
    const v1 = v1Files.find(({ name }) => name === 'blkio.throttle.io_service_bytes_recursive');
    const v2 = v2Files.find(({ name }) => name === 'io.stat');
    expect(readOne(v1, 'Total 0\n')).toMatchObject({ blockReadBytes: null, blockWriteBytes: null });
    expect(readOne(v1, '')).toMatchObject({ blockReadBytes: null, blockWriteBytes: null });
    expect(readOne(v2, '')).toMatchObject({ blockReadBytes: 0, blockWriteBytes: 0 });
    expect(readOne(v2, '254:0 cost.usage=1\n')).toMatchObject({
      blockReadBytes: null,
      blockWriteBytes: null,
    });
  });
});

describe('limits', () => {
  it.each([
    ['cpu.max', 'max 100000\n', Number.POSITIVE_INFINITY],
    ['cpu.max', '50000 100000\n', 0.5],
    ['cpu.max', '50000 1000', null],
    ['cpu.max', '50000 0\n', null],
    ['cpu.max', 'max\n', null],
  ])('%s %j is %d cores', (name, text, cores) => {
    expect(
      readOne(
        v2Files.find((file) => file.name === name),
        text,
      ).cpuLimitCores,
    ).toBe(cores);
  });

  it.each([
    ['9223372036854771712\n', Number.POSITIVE_INFINITY],
    ['9223372036854710272\n', Number.POSITIVE_INFINITY],
    ['67108864\n', 67108864],
    ['', null],
  ])('memory.limit_in_bytes %j is %d', (text, limit) => {
    expect(
      readOne(
        v1Files.find((file) => file.name === 'memory.limit_in_bytes'),
        text,
      ).memoryLimitBytes,
    ).toBe(limit);
  });

  it('a quota of -1 is none', () => {
    const readings = emptyReadings();
    const read = (name: string, text: string) =>
      v1Files.find((file) => file.name === name)?.read(bytes(text), readings);
    read('cpu.cfs_period_us', '100000\n');
    read('cpu.cfs_quota_us', '-1\n');
    expect(toSample(readings, null).cpuLimitCores).toBe(Number.POSITIVE_INFINITY);
    read('cpu.cfs_quota_us', '-10\n');
    expect(toSample(readings, null).cpuLimitCores).toBeNull();
  });
});

describe('pressure', () => {
  it('takes the total of each line', () => {
    const text = bytes(pressureLine('some', 2_500_000) + pressureLine('full', 1_000_000));
    expect(someSeconds(text)).toBe(2.5);
    expect(fullSeconds(text)).toBe(1);
  });

  it('is unknown where a line is missing or cut', () => {
    expect(fullSeconds(bytes(pressureLine('some', 1)))).toBeNull();
    expect(someSeconds(bytes(pressureLine('full', 1)))).toBeNull();
    expect(someSeconds(bytes('some avg10=0.10 avg60=1.00\n'))).toBeNull();
    expect(someSeconds(bytes('some avg10=0.10 total=25'))).toBeNull();
  });
});

describe('net/dev', () => {
  it('leaves loopback out and takes names with or without a space after the colon', () => {
    const old = netDev(5, 6).replace('eth0: ', 'eth0:');
    expect(readNetDev(bytes(netDev(5, 6)))).toEqual({ receiveBytes: 5, transmitBytes: 6 });
    expect(readNetDev(bytes(old))).toEqual({ receiveBytes: 5, transmitBytes: 6 });
  });

  it('is zero for a container with loopback only, and unknown without its header', () => {
    const lines = netDev(5, 6).split('\n');
    expect(readNetDev(bytes(`${lines.slice(0, 3).join('\n')}\n`))).toEqual({
      receiveBytes: 0,
      transmitBytes: 0,
    });
    expect(readNetDev(bytes(''))).toBeNull();
    expect(readNetDev(bytes(`${lines[0]}\n`))).toBeNull();
    expect(readNetDev(bytes(netDev(5, 6).slice(0, -1)))).toBeNull();
  });
});

describe('whatever a file holds', () => {
  const everyFile: readonly CgroupFile[] = [...v1Files, ...v2Files];
  const garbage = fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array)),
    fc.string({ maxLength: 300 }).map((text) => Buffer.from(text)),
  );

  it('nothing throws, and no zero comes of bytes without one', () => {
    fc.assert(
      fc.property(garbage, (content) => {
        const withoutZero = Buffer.from(content.map((byte) => (byte === 0x30 ? 0x31 : byte)));
        if (withoutZero.length === 0) return;
        for (const file of everyFile) {
          const readings = emptyReadings();
          file.read(withoutZero, readings);
          for (const field of file.fields) expect(readings[field], `${file.name} ${field}`).not.toBe(0);
        }
        expect(() => readNetDev(withoutZero)).not.toThrow();
      }),
    );
  });

  it('a captured file that was cut gives what the whole gives, or null', () => {
    for (const name of captureNames) {
      for (const [path, content] of Object.entries(loadCapture(name).instants.t1.files)) {
        const version = name.startsWith('v2') || path.includes('/unified/') ? v2Files : v1Files;
        const file = version.find((one) => path.endsWith(`/${one.name}`));
        if (file === undefined || content === '') continue;
        const whole = emptyReadings();
        file.read(bytes(content), whole);
        for (let length = 1; length < content.length; length += 1) {
          const cut = emptyReadings();
          file.read(bytes(content.slice(0, length)), cut);
          for (const field of file.fields) {
            // A sum of disks may be cut at a line's end, which looks whole: the kernel hands these files out at once.
            if (file.controller === 'io' && content[length - 1] === '\n') continue;
            expect([null, whole[field]], `${path} ${field}, ${length} bytes`).toContain(cut[field]);
          }
        }
      }
    }
  });
});

function readOne(file: CgroupFile | undefined, text: string) {
  const readings = emptyReadings();
  file?.read(bytes(text), readings);
  return toSample(readings, null);
}

function pressureLine(kind: string, total: number): string {
  return `${kind} avg10=0.10 avg60=1.00 avg300=0.00 total=${total}\n`;
}
