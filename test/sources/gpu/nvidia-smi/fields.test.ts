import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseFields, parseHelp } from '../../../../agent/sources/gpu/nvidia-smi/fields.ts';
import { csvOf, helpOf, loadMachine, machineNames } from '../../../gpu/smi-machines.ts';

function fieldsOf(help: string): readonly string[] {
  return chooseFields(parseHelp(help)) ?? [];
}

describe('the help of nvidia-smi', () => {
  const help = `List of valid properties to query for the switch "--query-gpu":

"timestamp"
When the query was made, as "YYYY/MM/DD HH:MM:SS.msec".

Section about clocks_event_reasons properties
What makes clocks slower than they could be. "Not Active" means that nothing does.

"clocks_event_reasons.active" or "clocks_throttle_reasons.active"
A bit mask.

"compute_mode"
"0: Default" means many contexts,
"2: Prohibited" none.

"uuid" or "gpu_uuid"
"index"
`;

  it('names properties at the beginning of a line, with all their names', () => {
    expect([...parseHelp(help)]).toEqual([
      'timestamp',
      'clocks_event_reasons.active',
      'clocks_throttle_reasons.active',
      'compute_mode',
      'uuid',
      'gpu_uuid',
      'index',
    ]);
  });

  it('of something else names none', () => {
    for (const text of ['', 'usage: nvidia-smi', '"', '""', '" or "', 'x "uuid"', '"uu id"'])
      expect(parseHelp(text).size).toBe(0);
  });
});

describe('what a driver is asked for', () => {
  it.each(machineNames)('%s knows all of it', (name) => {
    const { gpus } = loadMachine(name);
    const fields = fieldsOf(helpOf(gpus));
    expect(fields.length).toBeGreaterThan(20);
    expect(() => csvOf(gpus, fields)).not.toThrow();
    expect(new Set(fields).size).toBe(fields.length);
  });

  it('goes by the names of its time', () => {
    const old = fieldsOf(helpOf(loadMachine('v100-470').gpus));
    expect(old).toContain('clocks_throttle_reasons.active');
    expect(old).toContain('pcie.link.gen.current');
    expect(old).not.toContain('memory.reserved');
    const today = fieldsOf(helpOf(loadMachine('l40s-590').gpus));
    expect(today).toContain('clocks_event_reasons.active');
    expect(today).not.toContain('clocks_throttle_reasons.active');
    expect(today).toContain('pcie.link.gen.gpucurrent');
    expect(today).toContain('gpu_recovery_action');
  });

  it('begins with what says which GPU a line is about, and ends with the name, which may hold a comma', () => {
    const fields = fieldsOf(helpOf(loadMachine('a100-535').gpus));
    expect(fields.slice(0, 3)).toEqual(['index', 'uuid', 'pci.bus_id']);
    expect(fields.at(-1)).toBe('name');
  });

  it('is nothing where a GPU cannot be told from another', () => {
    expect(chooseFields(new Set(['uuid', 'name', 'memory.used']))).toBeNull();
    expect(chooseFields(new Set(['index', 'name', 'memory.used']))).toBeNull();
    expect(chooseFields(new Set())).toBeNull();
    expect(chooseFields(new Set(['index', 'gpu_uuid']))).toEqual(['index', 'gpu_uuid']);
  });

  it('is never something that it does not list', () => {
    const all = machineNames.flatMap((name) => loadMachine(name).gpus.flatMap(({ names }) => names));
    fc.assert(
      fc.property(fc.subarray([...new Set(all)]), (known) => {
        const fields = chooseFields(new Set(known)) ?? [];
        expect(known).toEqual(expect.arrayContaining([...fields]));
      }),
    );
  });
});
