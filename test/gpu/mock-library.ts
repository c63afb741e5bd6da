import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const sourceFolder = fileURLToPath(new URL('nvml-mock/', import.meta.url));
const cacheFolder = fileURLToPath(new URL('../../node_modules/.cache/gpuwarden/nvml-mock/', import.meta.url));
const libraryName = 'libnvidia-ml.so.1';
const compileLimitMs = 60_000;

const compilerOptions: readonly string[] = ['-std=gnu11', '-O1', '-Wall', '-Wextra', '-Werror', '-fPIC'];
const linkerOptions: readonly string[] = ['-shared', `-Wl,-soname,${libraryName}`];
const libraries: readonly string[] = ['-lm', '-lpthread'];

export interface MockLibraryOptions {
  /** Functions that the library is not to have, like a driver from before or after their time. */
  readonly without?: readonly string[];
}

/**
 * Builds the mock NVML with gcc, unless it has been built from these sources with these options before.
 *
 * @returns the path of `libnvidia-ml.so.1`, in a folder of its own; copy it before you change or remove it
 * @throws Error with what the compiler said
 */
export function buildMockLibrary(options: MockLibraryOptions = {}): string {
  const without = [...new Set(options.without)].toSorted();
  const sources = readdirSync(sourceFolder)
    .filter((name) => /\.[ch]$/.test(name))
    .toSorted()
    .map((name) => path.join(sourceFolder, name));
  const sourceKey = fingerprint(
    [process.arch, ...compilerOptions],
    ...sources.map((file) => readFileSync(file)),
  );
  const exports = versionScript(without);
  const libraryKey = fingerprint([sourceKey, ...linkerOptions, ...libraries, exports]);
  return cached(libraryKey, libraryName, (folder) => {
    // Compiled once for all sets of functions; linking is a matter of milliseconds.
    const objects = cached(sourceKey, 'nvml-mock.o', (objectFolder) => {
      const files = sources.filter((file) => file.endsWith('.c'));
      runCompiler([
        ...compilerOptions,
        '-r',
        '-nostdlib',
        ...files,
        '-o',
        path.join(objectFolder, 'nvml-mock.o'),
      ]);
    });
    const exportsFile = path.join(folder, 'exports.map');
    writeFileSync(exportsFile, exports);
    const script = `-Wl,--version-script=${exportsFile}`;
    runCompiler([...linkerOptions, script, objects, '-o', path.join(folder, libraryName), ...libraries]);
  });
}

/**
 * A file in a folder named after what it is made from; made in a folder of its own first, so that two tests may build at
 * once, and nobody sees half of it.
 */
function cached(key: string, name: string, make: (folder: string) => void): string {
  const folder = path.join(cacheFolder, key);
  const file = path.join(folder, name);
  if (existsSync(file)) return file;
  mkdirSync(cacheFolder, { recursive: true });
  const workFolder = mkdtempSync(path.join(cacheFolder, '.build-'));
  try {
    make(workFolder);
    publish(workFolder, folder, file);
  } finally {
    rmSync(workFolder, { recursive: true, force: true });
  }
  return file;
}

/** Puts a finished folder in its place in one step; whoever was there first has made the same. */
function publish(workFolder: string, folder: string, file: string): void {
  try {
    renameSync(workFolder, folder);
  } catch (error) {
    if (!existsSync(file)) throw error;
  }
}

function runCompiler(args: readonly string[]): void {
  execFileSync('gcc', args, { stdio: ['ignore', 'ignore', 'pipe'], timeout: compileLimitMs });
}

/** For the linker (ld, "VERSION Command"): a name that stands there as it is goes before one with a wildcard. */
function versionScript(without: readonly string[]): string {
  for (const name of without) {
    if (!/^nvml\w+$/.test(name)) throw new Error(`not a function of NVML: ${name}`);
  }
  return `{ global: nvml*; local: ${[...without, '*'].join('; ')}; };\n`;
}

function fingerprint(words: readonly string[], ...contents: readonly Buffer[]): string {
  const hash = createHash('sha256').update(JSON.stringify([words, contents.map(({ length }) => length)]));
  for (const content of contents) hash.update(content);
  return hash.digest('hex').slice(0, 32);
}
