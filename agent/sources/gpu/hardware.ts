import { readFileSync, readdirSync } from 'node:fs';

/** Who makes the GPUs that are built into this machine. */
export interface GpuHardware {
  readonly nvidia: number;
  /** GPUs that gpuwarden cannot read, by maker. Graphics of a server's remote console are not counted. */
  readonly others: readonly { readonly maker: string; readonly count: number }[];
}

/** PCI vendor ids, https://pci-ids.ucw.cz. Only makers of GPUs that people compute on. */
const makers: ReadonlyMap<string, string> = new Map([
  ['0x10de', 'NVIDIA'],
  ['0x1002', 'AMD'],
  ['0x8086', 'Intel'],
]);
/** PCI classes 0x0300 (VGA), 0x0302 (3D) and 0x0380 (other display), with the programming interface behind; AMD's accelerators are 0x1200. */
const gpuClass = /^0x(?:0300|0302|0380|1200)/;

/** Looks at the PCI devices that the kernel lists; what cannot be read is not counted. */
export function readGpuHardware(pciDevices = '/sys/bus/pci/devices'): GpuHardware {
  const counts = new Map<string, number>();
  for (const device of list(pciDevices)) {
    const maker = makers.get(read(`${pciDevices}/${device}/vendor`));
    if (maker === undefined || !gpuClass.test(read(`${pciDevices}/${device}/class`))) continue;
    counts.set(maker, (counts.get(maker) ?? 0) + 1);
  }
  const { NVIDIA: nvidia = 0, ...others } = Object.fromEntries(counts);
  return { nvidia, others: Object.entries(others).map(([maker, count]) => ({ maker, count })) };
}

function list(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // no PCI here at all: a virtual machine of some kinds, other architectures
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1').trim();
  } catch {
    return '';
  }
}
