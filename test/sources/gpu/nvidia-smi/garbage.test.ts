import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { computeAppsQuery, parseComputeApps } from '../../../../agent/sources/gpu/nvidia-smi/compute-apps.ts';
import { parseDetails } from '../../../../agent/sources/gpu/nvidia-smi/details.ts';
import { type SmiDevice, parseDevices } from '../../../../agent/sources/gpu/nvidia-smi/devices.ts';
import { figureFields, parseHelp } from '../../../../agent/sources/gpu/nvidia-smi/fields.ts';
import { parseList } from '../../../../agent/sources/gpu/nvidia-smi/list.ts';
import { parsePmon } from '../../../../agent/sources/gpu/nvidia-smi/pmon.ts';
import { figureNames } from '../../../../agent/sources/gpu/reading.ts';
import {
  type MachineName,
  type SmiTable,
  csvOf,
  helpOf,
  loadMachine,
  machineNames,
} from '../../../gpu/smi-machines.ts';

/** Machines in whose tables every line is sound. */
const soundNames = machineNames.filter((name) => name !== 'broken-row-545');
const soundMachine = fc.constantFrom(...soundNames);
const parsers = { parseHelp, parseDevices, parseComputeApps, parsePmon, parseList, parseDetails };

const token = fc.constantFrom(
  '[N/A]',
  'N/A',
  '[Not Supported]',
  '[Insufficient Permissions]',
  '[Unknown Error]',
  '[GPU requires reset]',
  '[Requested functionality has been deprecated]',
  '',
);
const junk = fc.oneof(
  token,
  fc.string({ maxLength: 12 }),
  fc.stringMatching(/^[ \-\d.xPMiB%:[\]]{0,12}$/),
  fc.constantFrom('nan', '1e3', '0x1F', '37 %', '−1', '１２', '1\u00a0000', '12\r'),
);

function devicesOf(text: string): readonly SmiDevice[] {
  return parseDevices(text)?.devices ?? [];
}

/** All texts that a machine prints. */
function textsOf(name: MachineName): readonly string[] {
  const { gpus, computeApps, pmon, list, query } = loadMachine(name);
  return [
    csvOf(gpus),
    csvOf(computeApps, computeAppsQuery.split('=')[1]?.split(',')),
    helpOf(gpus),
    pmon,
    list,
    query,
  ];
}

/** The table with one cell replaced. */
function withCell(table: SmiTable, column: number, row: number, value: string): SmiTable {
  return table.map((field, index) =>
    index === column
      ? { ...field, values: field.values.map((old, at) => (at === row ? value : old)) }
      : field,
  );
}

describe('whatever nvidia-smi prints', () => {
  it('nothing that reads it throws', () => {
    const mutated = fc
      .record({
        text: fc.constantFrom(...machineNames.flatMap(textsOf)),
        at: fc.nat({ max: 4000 }),
        removed: fc.nat({ max: 40 }),
        inserted: fc.oneof(junk, fc.constantFrom('\n', ',', ', ', ' | ', '#', '    ', ' : ', '(UUID: ')),
      })
      .map(({ text, at, removed, inserted }) => text.slice(0, at) + inserted + text.slice(at + removed));
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary', maxLength: 200 }), mutated), (text) => {
        for (const parse of Object.values(parsers)) expect(() => parse(text)).not.toThrow();
      }),
      { numRuns: 300 },
    );
  });
});

describe('the table of GPUs', () => {
  it('has no number where something else stands, and one bad value costs no other', () => {
    const anyFigure = fc.constantFrom(...figureFields);
    fc.assert(
      fc.property(soundMachine, anyFigure, fc.nat(), junk, (name, { figure, names }, seed, value) => {
        const { gpus } = loadMachine(name);
        const before = devicesOf(csvOf(gpus));
        const row = seed % before.length;
        const known = names.find((one) => gpus.some((field) => field.names.includes(one)));
        const column = gpus.findIndex((field) => known !== undefined && field.names.includes(known));
        fc.pre(column !== -1 && !/[,\n]/.test(value));
        const after = devicesOf(csvOf(withCell(gpus, column, row, value)));
        expect(after).toHaveLength(before.length);
        for (const [index, device] of after.entries())
          for (const other of figureNames)
            if (index !== row || other !== figure)
              expect(device.figures[other]).toEqual(before[index]?.figures[other]);
        // Only what is a number as a whole, or a word that stands for one, may be read as one.
        const text = value.trim();
        if (!/^-?\d+(\.\d+)?$/.test(text) && !/^(P\d+|No|Yes|None|Reset)$/i.test(text))
          expect(after[row]?.figures[figure]).toBeTypeOf('string');
      }),
      { numRuns: 500 },
    );
  });

  it('is read by its headers: their order, and columns between them, make no difference', () => {
    const extra = fc.record({
      name: fc.stringMatching(/^new\.[a-z_]{1,10}$/),
      unit: fc.constantFrom('', 'us', '%', 'MiB'),
    });
    fc.assert(
      fc.property(
        soundMachine.chain((name) =>
          fc.tuple(
            fc.constant(name),
            fc.shuffledSubarray([...loadMachine(name).gpus], { minLength: loadMachine(name).gpus.length }),
          ),
        ),
        fc.uniqueArray(extra, { maxLength: 5, selector: ({ name }) => name }),
        junk.filter((value) => !/[,\n]/.test(value)),
        fc.nat(),
        ([name, shuffled], extras, value, seed) => {
          const { gpus } = loadMachine(name);
          const count = gpus[0]?.values.length ?? 0;
          const added: SmiTable = extras.map((one) => ({
            names: [one.name],
            unit: one.unit,
            values: Array<string>(count).fill(value),
          }));
          const at = seed % gpus.length;
          const table = [...shuffled.slice(0, at), ...added, ...shuffled.slice(at)];
          expect(devicesOf(csvOf(table))).toEqual(devicesOf(csvOf(gpus)));
        },
      ),
    );
  });

  it('with a comma in a value loses that GPU, and no value of it moves into another column', () => {
    fc.assert(
      fc.property(soundMachine, fc.nat(), fc.nat(), (name, columnSeed, rowSeed) => {
        const { gpus } = loadMachine(name);
        const before = devicesOf(csvOf(gpus));
        const row = rowSeed % before.length;
        const column = columnSeed % gpus.length;
        const after = devicesOf(csvOf(withCell(gpus, column, row, `7, ${gpus[column]?.values[row] ?? ''}`)));
        const lost = before[row];
        for (const device of after)
          if (device.uuid === lost?.uuid) {
            expect(device.sound).toBe(false);
            expect(new Set(Object.values(device.figures))).toEqual(new Set(['error']));
          } else expect(device).toEqual(before.find(({ uuid }) => uuid === device.uuid));
        expect(after.length).toBeGreaterThanOrEqual(before.length - 1);
      }),
    );
  });

  it('that is cut off anywhere has a GPU as it is, or errors, or not at all', () => {
    fc.assert(
      fc.property(soundMachine, fc.nat(), (name, seed) => {
        const text = csvOf(loadMachine(name).gpus);
        const before = devicesOf(text);
        for (const device of devicesOf(text.slice(0, seed % text.length)))
          if (device.sound) expect(device).toEqual(before.find(({ uuid }) => uuid === device.uuid));
          else expect(new Set(Object.values(device.figures))).toEqual(new Set(['error']));
      }),
      { numRuns: 500 },
    );
  });
});

describe('the list of compute processes', () => {
  const text = csvOf(loadMachine('a100-535').computeApps, ['gpu_uuid', 'pid', 'used_gpu_memory']);
  const sound = parseComputeApps(text);

  it('that is cut off anywhere has no process that is not there, and none with half its memory', () => {
    const known = new Set(
      typeof sound === 'string' ? [] : [...sound.values()].flat().map((one) => JSON.stringify(one)),
    );
    for (let end = 0; end < text.length; end += 1) {
      const lists = parseComputeApps(text.slice(0, end));
      if (typeof lists === 'string') continue;
      for (const list of lists.values())
        if (typeof list !== 'string')
          for (const process of list) expect(known).toContain(JSON.stringify(process));
    }
  });

  it('with a value that is none has no number in its place', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 2 }),
        fc.constantFrom('pid', 'used_gpu_memory'),
        junk,
        (row, column, value) => {
          fc.pre(!/[,\n]/.test(value) && !/^\d+$/.test(value.trim()));
          const { computeApps } = loadMachine('a100-535');
          const at = computeApps.findIndex(({ names }) => names.includes(column));
          const lists = parseComputeApps(
            csvOf(withCell(computeApps, at, row, value), ['gpu_uuid', 'pid', 'used_gpu_memory']),
          );
          const processes = typeof lists === 'string' ? [] : [...lists.values()].flat();
          const pids = processes.flatMap((one) => (typeof one === 'string' ? [] : [one.pid]));
          expect([91702, 93355, 60018]).toEqual(expect.arrayContaining(pids));
          const unknown = processes.some((one) => typeof one === 'string' || one.usedMemoryBytes === null);
          expect(unknown).toBe(true);
        },
      ),
    );
  });
});

describe('the monitor of processes', () => {
  const texts = machineNames.map((name) => loadMachine(name).pmon);

  it('with a word replaced by another takes no number from another place', () => {
    const line = fc.constantFrom(
      ...texts.flatMap((pmon) =>
        pmon.split('\n').flatMap((one) => (/^ +\d/.test(one) ? [{ pmon, one }] : [])),
      ),
    );
    fc.assert(
      fc.property(line, fc.integer({ min: 1, max: 10 }), junk, ({ pmon, one }, at, word) => {
        const words = one.trim().split(/ +/);
        fc.pre(word !== words[at] && at < words.length && !/[\n \t]|^$|^\d+$/.test(word));
        const before = parsePmon(pmon);
        const changed = words.map((old, index) => (index === at ? word : old)).join(' ');
        const after = parsePmon(pmon.replace(one, () => `    ${changed}`));
        if (typeof before === 'string' || typeof after === 'string')
          throw new Error('the headers are the same');
        for (const [gpu, list] of after) {
          const old = before.get(gpu);
          if (gpu !== Number(words[0])) expect(list).toEqual(old);
          if (typeof list === 'string' || old === undefined || typeof old === 'string') continue;
          expect(list).toHaveLength(old.length);
          for (const [index, process] of list.entries()) {
            expect(process.pid).toBe(old[index]?.pid);
            expect([old[index]?.smRatio, null]).toContain(process.smRatio);
            expect([old[index]?.usedMemoryBytes, null]).toContain(process.usedMemoryBytes);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it('that is cut off anywhere shows no process that is not there', () => {
    for (const pmon of texts) {
      const before = parsePmon(pmon);
      for (let end = 0; end < pmon.length; end += 1) {
        const after = parsePmon(pmon.slice(0, end));
        if (typeof after === 'string' || typeof before === 'string') continue;
        for (const [gpu, list] of after)
          if (typeof list !== 'string') expect(before.get(gpu)).toEqual(expect.arrayContaining([...list]));
      }
    }
  });
});

describe('the report and the list of instances', () => {
  it('that are cut off anywhere have no place and no memory that is not there', () => {
    const { query, list } = loadMachine('h100-mig-560');
    const details = parseDetails(query);
    const instances = parseList(list);
    for (let end = 0; end < query.length; end += 1)
      for (const [busId, part] of parseDetails(query.slice(0, end))) {
        const full = details.get(busId);
        expect([full?.minorNumber, null]).toContain(part.minorNumber);
        for (const instance of part.instances) {
          const same = full?.instances.find(({ device }) => device === instance.device);
          expect(instance).toMatchObject({
            gpuInstanceId: same?.gpuInstanceId,
            computeInstanceId: same?.computeInstanceId,
          });
          expect([same?.memoryUsedBytes, 'unsupported']).toContain(instance.memoryUsedBytes);
          expect([same?.memoryTotalBytes, 'unsupported']).toContain(instance.memoryTotalBytes);
        }
        for (const process of part.processes ?? []) expect(full?.processes).toContainEqual(process);
      }
    for (let end = 0; end < list.length; end += 1)
      for (const [uuid, part] of parseList(list.slice(0, end)))
        expect(instances.get(uuid)).toEqual(expect.arrayContaining([...part]));
  });
});
