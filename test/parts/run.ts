import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type MissingPart,
  PARTS,
  type PartsFacts,
  SKIPPED_PARTS_VARIABLE,
  SKIPPED_SUITES_VARIABLE,
  isDockerInstalled,
  isExecutable,
  isGate,
  planParts,
  presentParts,
  searchFolders,
  writeSkippedParts,
} from './parts.ts';

// `npm test`: gets the programs that the integration tests need, runs the tests, and says what was left out.

const POLICY_FILE = '/usr/sbin/policy-rc.d';
const APT_LIST_LIMIT_MS = 3 * 60_000;
const APT_INSTALL_LIMIT_MS = 10 * 60_000;

/** The signals that a person or a gate stops a run with. */
const STOPPING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const satisfies readonly NodeJS.Signals[];

/** What a signal has asked for so far. */
interface StopRequest {
  signal: NodeJS.Signals | undefined;
}

interface Finished {
  readonly code: number;
  readonly output: string;
}

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const stop: StopRequest = { signal: undefined };
  const { skip, fail } = await getParts(stop);
  if (stop.signal !== undefined) return 128 + constants.signals[stop.signal];
  if (fail.length > 0) {
    say('these parts are missing, and CI=true allows for no test to be skipped:');
    for (const { part, why } of fail) say(`  ${part}: ${why}`);
    return 1;
  }
  return await runTests(args, skip);
}

/** Finds the parts, installs what is missing where that is possible, and gives what is missing still. */
async function getParts(
  stop: StopRequest,
): Promise<{ skip: readonly MissingPart[]; fail: readonly MissingPart[] }> {
  const facts = gatherFacts();
  const wanted = planParts(facts);
  if (wanted.install.length === 0) return wanted;

  const absent = PARTS.filter(({ name }) => !facts.present.has(name));
  say(`missing: ${absent.map(({ title }) => title).join(', ')}`);
  say(`to be installed with apt-get, without starting any service: ${wanted.install.join(', ')}`);
  const { available, failure } = await install(facts, stop);
  return planParts({
    ...gatherFacts(),
    ...(available === undefined ? {} : { available }),
    aptFailure: failure ?? 'apt-get has installed the package, yet the program is not to be found',
  });
}

function gatherFacts(): PartsFacts {
  const present = presentParts();
  return {
    present,
    isRoot: process.getuid?.() === 0,
    hasApt: hasProgram('apt-get'),
    ci: isGate(),
    dockerInstalled: isDockerInstalled(),
  };
}

function hasProgram(program: string): boolean {
  return searchFolders(process.env['PATH']).some((folder) => isExecutable(path.join(folder, program)));
}

interface Installed {
  /** The packages that apt could install, where it was asked. */
  readonly available?: ReadonlySet<string>;
  /** What went wrong, if anything did. */
  readonly failure?: string;
}

/** Installs what the plan names, as far as apt has it. */
async function install(facts: PartsFacts, stop: StopRequest): Promise<Installed> {
  const update = await runApt(['update'], APT_LIST_LIMIT_MS, stop);
  if (stop.signal !== undefined) return { failure: `stopped by ${stop.signal}` };
  // An old list may do: what counts is whether the packages can be installed.
  if (update.code !== 0)
    say(`apt-get update failed (${lastLine(update.output)}); trying with the lists there are`);

  const available = await installablePackages(PARTS.flatMap(({ packages }) => packages));
  const { install: packages } = planParts({ ...facts, available });
  if (packages.length === 0) return { available };
  say(`apt-get install ${packages.join(' ')}`);
  const letServicesStart = keepServicesStopped();
  try {
    const installing = await runApt(
      ['install', '-y', '--no-install-recommends', '--no-remove', ...packages],
      APT_INSTALL_LIMIT_MS,
      stop,
    );
    if (installing.code === 0) return { available };
    return { available, failure: `apt-get install failed: ${lastLine(installing.output)}` };
  } finally {
    letServicesStart();
  }
}

/**
 * Tells Debian's packages to start no service while they are installed, unless a policy is there already, which stays.
 *
 * @returns what takes the policy away again
 */
function keepServicesStopped(): () => void {
  try {
    writeFileSync(POLICY_FILE, '#!/bin/sh\nexit 101\n', { flag: 'wx', mode: 0o755 });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') {
      return () => undefined;
    }
    throw error;
  }
  process.once('exit', removePolicy);
  return () => {
    process.off('exit', removePolicy);
    removePolicy();
  };
}

function removePolicy(): void {
  rmSync(POLICY_FILE, { force: true });
}

/**
 * Runs apt-get in a session of its own: Ctrl-C must not break dpkg off half way, and the policy has to stay for as long
 * as dpkg works. A signal is noted and obeyed once apt-get is done.
 */
async function runApt(args: readonly string[], limitMs: number, stop: StopRequest): Promise<Finished> {
  const noteSignal = (signal: NodeJS.Signals) => {
    stop.signal ??= signal;
    say(`${signal}: stopping as soon as apt-get is done`);
  };
  for (const signal of STOPPING) process.on(signal, noteSignal);
  try {
    const child = spawn('apt-get', ['-o', 'DPkg::Lock::Timeout=120', ...args], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' },
    });
    const timer = setTimeout(() => child.kill('SIGTERM'), limitMs);
    try {
      return await finish(child);
    } finally {
      clearTimeout(timer);
    }
  } finally {
    for (const signal of STOPPING) process.off(signal, noteSignal);
  }
}

/** Which of these packages apt could install now. */
async function installablePackages(packages: readonly string[]): Promise<ReadonlySet<string>> {
  const answers = await Promise.all(
    [...new Set(packages)].map(async (name) => {
      const { output } = await finish(
        spawn('apt-cache', ['policy', name], { env: { ...process.env, LC_ALL: 'C.UTF-8' } }),
      );
      return /^ +Candidate: (?!\(none\))/m.test(output) ? [name] : [];
    }),
  );
  return new Set(answers.flat());
}

async function finish(child: ChildProcess): Promise<Finished> {
  const { promise, resolve } = Promise.withResolvers<Finished>();
  const chunks: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => chunks.push(chunk));
  }
  child.once('error', ({ message }) => resolve({ code: 127, output: message }));
  child.once('close', (code) => resolve({ code: code ?? 1, output: chunks.join('') }));
  return await promise;
}

/** Runs vitest with what is missing in its environment, and ends with what was left out for it. */
async function runTests(args: readonly string[], skipped: readonly MissingPart[]): Promise<number> {
  const notes = mkdtempSync(path.join(tmpdir(), 'gpuwarden-skipped-'));
  const suitesFile = path.join(notes, 'suites');
  writeFileSync(suitesFile, '');
  try {
    const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url));
    const child = spawn(process.execPath, [vitest, 'run', ...args], {
      stdio: 'inherit',
      env: {
        ...process.env,
        [SKIPPED_PARTS_VARIABLE]: writeSkippedParts(skipped),
        [SKIPPED_SUITES_VARIABLE]: suitesFile,
      },
    });
    const code = await followChild(child);
    const suites = readFileSync(suitesFile, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
    announceSkipped(skipped, suites);
    return code;
  } finally {
    rmSync(notes, { recursive: true, force: true });
  }
}

async function followChild(child: ChildProcess): Promise<number> {
  const forward = (signal: NodeJS.Signals) => child.kill(signal);
  for (const signal of STOPPING) process.on(signal, forward);
  const { promise, resolve } = Promise.withResolvers<number>();
  child.once('error', ({ message }) => {
    say(`vitest cannot be started: ${message}`);
    resolve(1);
  });
  child.once('exit', (code, signal) =>
    resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
  );
  try {
    return await promise;
  } finally {
    for (const signal of STOPPING) process.off(signal, forward);
  }
}

function announceSkipped(parts: readonly MissingPart[], suites: readonly string[]): void {
  if (parts.length === 0 && suites.length === 0) return;
  say('NOT EVERYTHING WAS TESTED. Missing here:');
  for (const { part, why } of parts) say(`  ${part}: ${why}`);
  if (suites.length === 0) return;
  say('Skipped for it:');
  for (const suite of suites) say(`  ${suite}`);
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

function say(text: string): void {
  process.stderr.write(`npm test: ${text}\n`);
}
