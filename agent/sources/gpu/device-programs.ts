/**
 * A program of its own, run in a child: prints the eBPF programs that decide which devices the processes of cgroups
 * may open, as JSON, and ends. In a child, because it needs koffi, which need not stay in the agent's memory for one
 * look a minute. Arguments: directories of cgroup v2.
 */
import { closeSync, openSync } from 'node:fs';
import koffi from 'koffi';
import type { DevicePrograms } from './device-access.ts';

/** bpf(2), by architecture; its commands and the layout of their attributes are from linux/bpf.h. */
const syscallNumber = process.arch === 'arm64' ? 280 : 321;
const progGetFdById = 13;
const objGetInfoByFd = 15;
const progQuery = 16;
const attachCgroupDevice = 6;
const attributeBytes = 128;
const mostPrograms = 64;
/** A device filter has a handful of instructions for each rule; the kernel's own limit for others is far higher. */
const largestProgramBytes = 64 * 1024;
const infoBytes = 256;

const libc = koffi.load('libc.so.6');
const syscall: (...parts: readonly unknown[]) => number = libc.func('syscall', 'long', ['long', '...']);
const answers = process.argv.slice(2).map(readDirectory);
process.stdout.write(JSON.stringify(answers));

function readDirectory(directory: string): DevicePrograms {
  try {
    const fd = openSync(directory, 'r');
    try {
      return { directory, programs: idsOf(fd).map((id) => readProgram(id).toString('base64')), error: null };
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    return { directory, programs: [], error: error instanceof Error ? error.message : String(error) };
  }
}

/** The programs attached to this cgroup itself; what is attached further up was there before any container. */
function idsOf(cgroup: number): readonly number[] {
  const ids = Buffer.alloc(4 * mostPrograms);
  const attribute = Buffer.alloc(attributeBytes);
  attribute.writeUInt32LE(cgroup, 0);
  attribute.writeUInt32LE(attachCgroupDevice, 4);
  attribute.writeBigUInt64LE(koffi.address(ids), 16);
  attribute.writeUInt32LE(mostPrograms, 24);
  bpf(progQuery, attribute);
  const count = attribute.readUInt32LE(24);
  return Array.from({ length: Math.min(count, mostPrograms) }, (_, index) => ids.readUInt32LE(4 * index));
}

/** The instructions as the kernel's verifier left them. */
function readProgram(id: number): Buffer {
  const byId = Buffer.alloc(attributeBytes);
  byId.writeUInt32LE(id, 0);
  const fd = bpf(progGetFdById, byId);
  try {
    const instructions = Buffer.alloc(largestProgramBytes);
    const info = Buffer.alloc(infoBytes);
    info.writeUInt32LE(instructions.length, 20);
    info.writeBigUInt64LE(koffi.address(instructions), 32);
    const attribute = Buffer.alloc(attributeBytes);
    attribute.writeUInt32LE(fd, 0);
    attribute.writeUInt32LE(info.length, 4);
    attribute.writeBigUInt64LE(koffi.address(info), 8);
    bpf(objGetInfoByFd, attribute);
    const length = info.readUInt32LE(20);
    if (length === 0 || length > instructions.length)
      throw new Error(`the kernel does not show program ${id}: CAP_BPF or CAP_SYS_ADMIN is needed`);
    return instructions.subarray(0, length);
  } finally {
    closeSync(fd);
  }
}

function bpf(command: number, attribute: Buffer): number {
  const result = syscall(
    syscallNumber,
    'int',
    command,
    'void *',
    attribute,
    'unsigned int',
    attribute.length,
  );
  if (result < 0) throw new Error(`bpf(2), command ${command}, failed: errno ${koffi.errno()}`);
  return result;
}
