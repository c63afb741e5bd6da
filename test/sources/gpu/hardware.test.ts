import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readGpuHardware } from '../../../agent/sources/gpu/hardware.ts';

let devices: string;
beforeEach(() => {
  devices = mkdtempSync('/tmp/gw-pci-');
});
afterEach(() => {
  rmSync(devices, { recursive: true });
});

function plug(slot: string, vendor: string, deviceClass: string): void {
  mkdirSync(join(devices, slot));
  writeFileSync(join(devices, slot, 'vendor'), `${vendor}\n`);
  writeFileSync(join(devices, slot, 'class'), `${deviceClass}\n`);
}

test('GPUs are counted by their maker; sound, network and remote consoles are not', () => {
  plug('0000:01:00.0', '0x10de', '0x030000');
  plug('0000:01:00.1', '0x10de', '0x040300');
  plug('0000:02:00.0', '0x10de', '0x030200');
  plug('0000:03:00.0', '0x1002', '0x120000');
  plug('0000:04:00.0', '0x1a03', '0x030000');
  plug('0000:05:00.0', '0x8086', '0x020000');
  expect(readGpuHardware(devices)).toEqual({ nvidia: 2, others: [{ maker: 'AMD', count: 1 }] });
});

test('a machine without PCI has none', () => {
  expect(readGpuHardware(join(devices, 'not-there'))).toEqual({ nvidia: 0, others: [] });
});
