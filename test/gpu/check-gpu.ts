import { parseArgs } from 'node:util';
import { pino } from 'pino';
import type { GpuSource, GpuSourceOptions } from '../../agent/sources/gpu/gpu-source.ts';
import { createNvidiaSmiSource } from '../../agent/sources/gpu/nvidia-smi/source.ts';
import { createNvmlSource } from '../../agent/sources/gpu/nvml/source.ts';
import type { GpuReading } from '../../agent/sources/gpu/reading.ts';
import { type Comparison, compareReadings } from './compare-readings.ts';

// `npm run check:gpu`: on a machine with an NVIDIA GPU, compares what the agent reads through NVML with what nvidia-smi
// says in the same seconds, prints a table, and fails on a mismatch. Idle first and under load then shows most.

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    library: { type: 'string', default: process.env['GPUWARDEN_NVML_LIBRARY'] || 'libnvidia-ml.so.1' },
    program: { type: 'string', default: process.env['GPUWARDEN_NVIDIA_SMI'] || 'nvidia-smi' },
    all: { type: 'boolean', default: false },
  },
});
process.exitCode = await main();

async function main(): Promise<number> {
  const log = pino({ level: 'warn' });
  const nvml: GpuReading[] = [];
  const smi: GpuReading[] = [];
  const common = (into: GpuReading[]): GpuSourceOptions => ({
    intervalMs: 1_000,
    onReading: (reading) => into.push(reading),
    onState: () => undefined,
    log,
  });
  const sources: readonly GpuSource[] = [
    createNvmlSource({ ...common(nvml), library: values.library }),
    createNvidiaSmiSource({ ...common(smi), program: values.program }),
  ];
  await new Promise((resolve) => {
    setTimeout(resolve, Number(values.seconds) * 1000);
  });
  const states = sources.map(({ name, state }) => ({ name, state }));
  await Promise.all(sources.map((source) => source.stop()));
  for (const { name, state } of states)
    if (state.kind === 'down' || state.kind === 'absent')
      console.error(`${name}: ${state.reason}; ${state.advice}`);
  if (nvml.length < 2 || smi.length === 0) {
    console.error(`nothing to compare: ${nvml.length} readings of NVML, ${smi.length} of nvidia-smi`);
    return 2;
  }
  const rows = compareReadings(nvml, smi);
  const shown = values.all ? rows : rows.filter(({ verdict }) => verdict !== 'neither');
  console.table(shown.map(printableRow));
  const wrong = rows.filter(({ verdict }) => verdict === 'differs');
  console.log(
    `${nvml.length} readings of NVML, ${smi.length} of nvidia-smi, ${rows.length} figures, ${wrong.length} differ`,
  );
  return wrong.length === 0 ? 0 : 1;
}

function printableRow({ gpu, figure, nvml, smi, verdict }: Comparison) {
  return { GPU: gpu, figure, NVML: nvml, 'nvidia-smi': smi, verdict };
}
