import { spawnSync } from 'node:child_process';
import { accessSync, closeSync, constants, openSync, readSync, statSync } from 'node:fs';
import path from 'node:path';

/** The programs outside of npm that the integration tests are made with. */
export type PartName =
  | 'dockerd'
  | 'docker'
  | 'busybox'
  | 'promtool'
  | 'prometheus'
  | 'alertmanager'
  | 'amtool'
  | 'gcc';

/** One such program: where it comes from and what makes a found file good enough. */
export interface Part {
  readonly name: PartName;
  /** What it is called in messages. */
  readonly title: string;
  /** The file names looked for on the path, the preferred one first: not everybody calls it the same. */
  readonly programs: readonly [string, ...string[]];
  /** The Debian packages that bring it, the preferred one first. */
  readonly packages: readonly [string, ...string[]];
  /** Packages that are installed with it, for it is of no use here without them. */
  readonly companions: readonly string[];
  /** Whether it is of no use to anyone but root. */
  readonly needsRoot: boolean;
  /** Whether only a statically linked file will do. */
  readonly needsStatic: boolean;
}

/** A part that the tests have to do without, and why. */
export interface MissingPart {
  readonly part: PartName;
  readonly why: string;
}

/** What is known of this machine when the plan is made. */
export interface PartsFacts {
  readonly present: ReadonlySet<PartName>;
  readonly isRoot: boolean;
  readonly hasApt: boolean;
  /** Whether this run is a gate, where a missing part is a failure. */
  readonly ci: boolean;
  /** Whether a Docker Engine is installed already, from Debian or from Docker's own packages. */
  readonly dockerInstalled: boolean;
  /** The packages apt can install; left out before apt has been asked, when all are taken to be there. */
  readonly available?: ReadonlySet<string>;
  /** Set after apt was tried and failed: what it said, so that nothing is tried a second time. */
  readonly aptFailure?: string;
}

/** What to do about the missing parts. */
export interface PartsPlan {
  readonly install: readonly string[];
  readonly skip: readonly MissingPart[];
  readonly fail: readonly MissingPart[];
}

/** Every part, in the order they are spoken of. */
export const PARTS: readonly Part[] = [
  {
    name: 'dockerd',
    title: 'the Docker Engine (dockerd)',
    programs: ['dockerd'],
    packages: ['docker.io'],
    companions: [],
    needsRoot: true,
    needsStatic: false,
  },
  {
    name: 'docker',
    title: 'the docker client',
    programs: ['docker'],
    packages: ['docker-cli', 'docker.io'],
    companions: [],
    needsRoot: false,
    needsStatic: false,
  },
  {
    name: 'busybox',
    title: 'a statically linked busybox',
    programs: ['busybox'],
    packages: ['busybox-static'],
    companions: [],
    needsRoot: false,
    needsStatic: true,
  },
  {
    name: 'promtool',
    title: 'promtool',
    programs: ['promtool'],
    packages: ['prometheus'],
    companions: [],
    needsRoot: false,
    needsStatic: false,
  },
  {
    name: 'prometheus',
    title: 'Prometheus',
    programs: ['prometheus'],
    packages: ['prometheus'],
    companions: [],
    needsRoot: false,
    needsStatic: false,
  },
  {
    name: 'alertmanager',
    title: 'Alertmanager',
    // Debian's name, and that of its makers.
    programs: ['prometheus-alertmanager', 'alertmanager'],
    packages: ['prometheus-alertmanager'],
    companions: [],
    needsRoot: false,
    needsStatic: false,
  },
  {
    name: 'amtool',
    title: 'amtool',
    programs: ['amtool'],
    packages: ['prometheus-alertmanager'],
    companions: [],
    needsRoot: false,
    needsStatic: false,
  },
  {
    name: 'gcc',
    title: 'the C compiler (gcc)',
    programs: ['gcc'],
    packages: ['gcc'],
    // Debian only recommends the headers, and apt-get is told to install no recommendations.
    companions: ['libc6-dev'],
    needsRoot: false,
    needsStatic: false,
  },
];

/** The packages that would collide with an Engine that is there already. */
const ENGINE_PACKAGES: ReadonlySet<string> = new Set(['docker.io']);

/**
 * Decides, from facts alone, which packages to install and which parts the tests go without.
 * A part that cannot be had is skipped with its reason, or is a failure in a gate.
 */
export function planParts(facts: PartsFacts): PartsPlan {
  const install = new Set<string>();
  const missing: MissingPart[] = [];
  for (const part of PARTS) {
    if (part.needsRoot && !facts.isRoot) {
      missing.push({ part: part.name, why: `${part.title} can only be started by root` });
      continue;
    }
    if (facts.present.has(part.name)) continue;
    const choice = choosePackage(part, facts);
    if (choice.package === undefined) missing.push({ part: part.name, why: choice.why });
    else for (const name of [choice.package, ...part.companions]) install.add(name);
  }
  return {
    install: [...install],
    skip: facts.ci ? [] : missing,
    fail: facts.ci ? missing : [],
  };
}

type PackageChoice =
  | { readonly package: string; readonly why?: undefined }
  | { readonly package?: undefined; readonly why: string };

function choosePackage(part: Part, facts: PartsFacts): PackageChoice {
  const absent = `${part.title} is not on this machine`;
  if (!facts.hasApt) return { why: `${absent}, and there is no apt-get to install it with` };
  if (!facts.isRoot) {
    return { why: `${absent}, and only root can install ${part.packages.join(' or ')}` };
  }
  const safe = part.packages.filter((name) => !(facts.dockerInstalled && ENGINE_PACKAGES.has(name)));
  if (safe.length === 0) {
    return {
      why: `${absent}, and installing ${part.packages.join(' or ')} could replace the Docker Engine that is`,
    };
  }
  const chosen = safe.find((name) => facts.available?.has(name) ?? true);
  if (chosen === undefined) return { why: `${absent}, and apt does not offer ${safe.join(' or ')}` };
  if (facts.aptFailure !== undefined) return { why: `${absent}: ${facts.aptFailure}` };
  return { package: chosen };
}

/** The folders that programs are looked for in: the path, and where administration programs live. */
export function searchFolders(pathVariable: string | undefined): readonly string[] {
  const folders = (pathVariable ?? '').split(path.delimiter).filter((folder) => folder !== '');
  return [...new Set([...folders, '/usr/sbin', '/sbin'])];
}

/** Where a part is on this machine, or undefined where it is not, or not in a form of use here. */
export function findPart(name: PartName, pathVariable = process.env['PATH']): string | undefined {
  const part = PARTS.find((candidate) => candidate.name === name);
  if (part === undefined) return undefined;
  const folders = searchFolders(pathVariable);
  return part.programs
    .flatMap((program) => folders.map((folder) => path.join(folder, program)))
    .find((file) => isExecutable(file) && (!part.needsStatic || isStaticallyLinked(file)));
}

/** The parts that are on this machine. */
export function presentParts(pathVariable = process.env['PATH']): ReadonlySet<PartName> {
  return new Set(PARTS.map((part) => part.name).filter((name) => findPart(name, pathVariable) !== undefined));
}

/** Whether a Docker Engine is installed, whoever packaged it. */
export function isDockerInstalled(pathVariable = process.env['PATH']): boolean {
  if (findPart('dockerd', pathVariable) !== undefined) return true;
  const query = spawnSync('dpkg-query', ['-W', '-f', '${db:Status-Status}\\n', 'docker-ce'], {
    encoding: 'utf8',
  });
  return query.status === 0 && query.stdout.includes('installed') && !query.stdout.includes('not-installed');
}

/** Whether a file is there that this user may run. */
export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false;
    throw error;
  }
}

const ELF_MAGIC = 0x7f454c46;
const PT_INTERP = 3;

/** Whether an ELF file of 64 bits names no program to load it with, which is what being static means. */
export function isStaticallyLinked(file: string): boolean {
  const descriptor = openSync(file, 'r');
  try {
    const header = Buffer.alloc(64);
    if (readSync(descriptor, header, 0, 64, 0) < 64) return false;
    const is64BitLittleEndian = header[4] === 2 && header[5] === 1;
    if (header.readUInt32BE(0) !== ELF_MAGIC || !is64BitLittleEndian) return false;
    const tableOffset = Number(header.readBigUInt64LE(32));
    const entrySize = header.readUInt16LE(54);
    const entries = header.readUInt16LE(56);
    const table = Buffer.alloc(entrySize * entries);
    if (readSync(descriptor, table, 0, table.length, tableOffset) < table.length) return false;
    for (let entry = 0; entry < entries; entry += 1) {
      if (table.readUInt32LE(entry * entrySize) === PT_INTERP) return false;
    }
    return entries > 0;
  } finally {
    closeSync(descriptor);
  }
}

/** The variable that `npm test` tells the tests of the missing parts in. */
export const SKIPPED_PARTS_VARIABLE = 'GPUWARDEN_TEST_SKIPPED_PARTS';

/** The variable that names the file where suites write that they were skipped. */
export const SKIPPED_SUITES_VARIABLE = 'GPUWARDEN_TEST_SKIPPED_SUITES';

/** Whether this run is a gate, where nothing may be skipped. */
export function isGate(environment: NodeJS.ProcessEnv = process.env): boolean {
  return environment['CI'] === 'true';
}

/** The missing parts as one value for the environment. */
export function writeSkippedParts(skipped: readonly MissingPart[]): string {
  return JSON.stringify(skipped);
}

/** The missing parts as `npm test` wrote them; undefined where the tests were started without it. */
export function readSkippedParts(value: string | undefined): readonly MissingPart[] | undefined {
  if (value === undefined || value === '') return undefined;
  const parsed: unknown = JSON.parse(value);
  if (!Array.isArray(parsed)) throw new Error(`${SKIPPED_PARTS_VARIABLE} is not a list`);
  return parsed.map(asMissingPart);
}

function asMissingPart(entry: unknown): MissingPart {
  if (typeof entry === 'object' && entry !== null && 'part' in entry && 'why' in entry) {
    const part = PARTS.find((candidate) => candidate.name === entry.part);
    if (part !== undefined && typeof entry.why === 'string') {
      return { part: part.name, why: entry.why };
    }
  }
  throw new Error(`${SKIPPED_PARTS_VARIABLE} has an entry that names no part`);
}

/** The parts these tests have to do without: what `npm test` found, or what is missing here now. */
export function missingParts(environment: NodeJS.ProcessEnv = process.env): readonly MissingPart[] {
  const told = readSkippedParts(environment[SKIPPED_PARTS_VARIABLE]);
  if (told !== undefined) return told;
  const isRoot = process.getuid?.() === 0;
  const present = presentParts(environment['PATH']);
  return PARTS.flatMap((part): readonly MissingPart[] => {
    if (part.needsRoot && !isRoot)
      return [{ part: part.name, why: `${part.title} can only be started by root` }];
    if (present.has(part.name)) return [];
    return [{ part: part.name, why: `${part.title} is not on this machine; as root, npm test installs it` }];
  });
}
