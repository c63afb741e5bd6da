import { describe, expect, it } from 'vitest';
import { computeAppsQuery, parseComputeApps } from '../../../../agent/sources/gpu/nvidia-smi/compute-apps.ts';
import { parsePmon, pmonArguments } from '../../../../agent/sources/gpu/nvidia-smi/pmon.ts';
import { csvOf, loadMachine, withValues } from '../../../gpu/smi-machines.ts';

const mebibyte = 2 ** 20;
const asked = computeAppsQuery.replace('--query-compute-apps=', '').split(',');

describe('the list of compute processes', () => {
  const { computeApps } = loadMachine('a100-535');
  const first = 'GPU-21b0e7d4-6c55-4f0a-b1de-77a9c3e05f21';
  const second = 'GPU-b87d4f02-1e3a-49c6-92f8-5d60a1c4e7b9';

  it('gives each its memory, by GPU', () => {
    expect(parseComputeApps(csvOf(computeApps, asked))).toEqual(
      new Map([
        [
          first,
          [
            { pid: 91702, usedMemoryBytes: 22014 * mebibyte },
            { pid: 93355, usedMemoryBytes: 9522 * mebibyte },
          ],
        ],
        [second, [{ pid: 60018, usedMemoryBytes: 8602 * mebibyte }]],
      ]),
    );
  });

  it('does not ask for names, which anybody chooses', () => {
    expect(asked).toEqual(['gpu_uuid', 'pid', 'used_gpu_memory']);
  });

  it('is empty where nobody computes', () => {
    expect(parseComputeApps(csvOf(loadMachine('reset-570').computeApps, asked))).toEqual(new Map());
  });

  it('may lack the memory of a process', () => {
    const text = csvOf(withValues(computeApps, 'used_gpu_memory', ['[N/A]', 'x', '[Unknown Error]']), asked);
    const lists = parseComputeApps(text);
    expect(typeof lists === 'string' ? lists : [...lists.values()].flat()).toEqual([
      { pid: 91702, usedMemoryBytes: null },
      { pid: 93355, usedMemoryBytes: null },
      { pid: 60018, usedMemoryBytes: null },
    ]);
  });

  it.each([
    ['[Insufficient Permissions]', 'permission'],
    ['[Unknown Error]', 'error'],
    ['-1', 'error'],
    ['0', 'error'],
    ['12.5', 'error'],
    ['99999999999', 'error'],
  ])('with the pid %s is unknown for that GPU only', (pid, expected) => {
    const lists = parseComputeApps(csvOf(withValues(computeApps, 'pid', ['91702', pid, '60018']), asked));
    expect(lists).toEqual(
      new Map<string, unknown>([
        [first, expected],
        [second, [{ pid: 60018, usedMemoryBytes: 8602 * mebibyte }]],
      ]),
    );
  });

  it('with a line that is cut off is unknown for the GPU of that line', () => {
    const text = csvOf(computeApps, asked);
    const cut = text.slice(0, -3);
    const lists = parseComputeApps(cut);
    expect(typeof lists === 'string' ? lists : [...lists.values()]).toMatchObject([
      [{ pid: 91702 }, { pid: 93355 }],
      'error',
    ]);
    expect(parseComputeApps(`${text}GPU-b87d4f02\n`)).toBe('error');
  });

  it('with a line that is about no GPU is unknown for all of them: the process may be on any', () => {
    expect(parseComputeApps(`${csvOf(computeApps, asked)}something else\n`)).toBe('error');
    const hidden = withValues(computeApps, 'gpu_uuid', ['[Insufficient Permissions]', first, second]);
    expect(parseComputeApps(csvOf(hidden, asked))).toBe('permission');
  });

  it.each(['', 'pid, used_gpu_memory [MiB]\n', 'gpu_uuid, pid\n', 'No running processes found\n'])(
    'of %j is no list',
    (text) => {
      expect(parseComputeApps(text)).toBe('error');
    },
  );
});

describe('the monitor of processes', () => {
  it('shows compute and graphics processes, by index', () => {
    expect(parsePmon(loadMachine('geforce-550').pmon)).toEqual(
      new Map([
        [
          0,
          [
            { pid: 2217, smRatio: null, usedMemoryBytes: 196 * mebibyte },
            { pid: 2644, smRatio: 0.02, usedMemoryBytes: 288 * mebibyte },
            { pid: 48213, smRatio: 0.35, usedMemoryBytes: 3312 * mebibyte },
          ],
        ],
      ]),
    );
  });

  it('has a line with dashes for a GPU without processes', () => {
    expect(parsePmon(loadMachine('reset-570').pmon)).toEqual(
      new Map([
        [0, []],
        [1, []],
      ]),
    );
  });

  it('of an old driver has fewer columns', () => {
    const lists = parsePmon(loadMachine('v100-470').pmon);
    expect(typeof lists === 'string' ? lists : [...lists]).toMatchObject([
      [0, [{ pid: 15510, smRatio: 0.87, usedMemoryBytes: 9017 * mebibyte }]],
      [1, []],
      [2, [{ pid: 15911 }]],
      [3, []],
      [4, [{ pid: 20442 }]],
      [5, [{ pid: 7731, smRatio: null, usedMemoryBytes: null }]],
    ]);
  });

  it('of a new driver may have columns that nobody here knows, with words in them', () => {
    expect(parsePmon(loadMachine('l40s-590').pmon)).toEqual(
      new Map([
        [
          0,
          [
            { pid: 770021, smRatio: 0.97, usedMemoryBytes: 39002 * mebibyte },
            { pid: 770344, smRatio: 0.02, usedMemoryBytes: 1216 * mebibyte },
          ],
        ],
      ]),
    );
  });

  const header = `# gpu         pid   type     sm    mem     fb    command
# Idx           #    C/G      %      %     MB    name
`;

  it('takes no part of a name for a value', () => {
    for (const name of ['', '-', '99 99 99', 'Web Content', '%', '0 1 C', '# gpu'])
      expect(parsePmon(`${header}    0       4410     C     75     40  18208    ${name}\n`)).toEqual(
        new Map([[0, [{ pid: 4410, smRatio: 0.75, usedMemoryBytes: 18208 * mebibyte }]]]),
      );
  });

  it.each([
    '    0       4410     C     75     40  x  python',
    '    0       4410     C    101     40  18208  python',
    '    0       4410     C     -5     40  18208  python',
    '    0       4410     C     75  python',
    '    0       4410    75     40  18208  python',
    '    0       x     C     75     40  18208  python',
    '    0       -     C     75     40  18208  python',
    '    0       -     -     75     40  18208  -',
    '    0',
  ])('with the line %j is unknown for that GPU, and for no other', (line) => {
    const other = '    1       4522     C     98     54  20102  python';
    expect(parsePmon(`${header}${other}\n${line}\n`)).toEqual(
      new Map<number, unknown>([
        [0, 'error'],
        [1, [{ pid: 4522, smRatio: 0.98, usedMemoryBytes: 20102 * mebibyte }]],
      ]),
    );
  });

  it('that may not see who it is says so', () => {
    const line = '    0  [Insufficient Permissions]  C  -  -  -  -';
    expect(parsePmon(`${header}${line}\n`)).toEqual(new Map([[0, 'permission']]));
  });

  it('with a line that is about no GPU is unknown for all of them', () => {
    const line = '    0       4410     C     75     40  18208  python';
    for (const broken of ['python', '-', 'Unknown Error'])
      expect(parsePmon(`${header}${line}\n${broken}\n`)).toBe('error');
    expect(parsePmon(`${header}${line}`)).toBe('error');
  });

  it.each(['', 'Not supported on the device(s)\n', '# gpu pid command\n', '# gpu pid type command sm\n'])(
    'of %j is none',
    (text) => {
      expect(parsePmon(text)).toBe('error');
    },
  );

  it('does not take numbers for what their unit does not say', () => {
    const inGigabytes = header.replace('MB', 'GB').replace('%', 'W');
    expect(parsePmon(`${inGigabytes}    0       4410     C     75     40  18  python\n`)).toEqual(
      new Map([[0, [{ pid: 4410, smRatio: null, usedMemoryBytes: null }]]]),
    );
  });

  it('is asked for utilization and memory, of some GPUs or of its own choice', () => {
    expect(pmonArguments(null)).toEqual(['pmon', '-c', '1', '-s', 'um']);
    expect(pmonArguments([4, 5])).toEqual(['pmon', '-c', '1', '-s', 'um', '-i', '4,5']);
  });
});
