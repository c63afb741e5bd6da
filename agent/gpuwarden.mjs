#!/usr/bin/env node
// @ts-check
// The first file to run, on whatever Node the system has (20 on a plain Debian or Ubuntu), hence plain JavaScript.
// gpuwarden itself needs Node 26, which comes with the project as an optional dependency.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const neededMajor = 26;

if (Number.parseInt(process.versions.node, 10) >= neededMajor) {
  const { main } = await import('./main.ts');
  await main(process.argv.slice(2));
} else {
  runWithOwnRuntime();
}

/** Starts gpuwarden again under the project's Node and stands in for it: same streams, signals and exit status. */
function runWithOwnRuntime() {
  const runtime = fileURLToPath(
    new URL(`../node_modules/node-linux-${process.arch}/bin/node`, import.meta.url),
  );
  if (!existsSync(runtime)) {
    process.stderr.write(
      `gpuwarden needs Node.js ${neededMajor} or newer, this is ${process.versions.node} and ${runtime} is not there: ` +
        'run "npm ci" (without --omit=optional) in the folder of gpuwarden\n',
    );
    process.exitCode = 1;
    return;
  }
  // Before the start: a signal that came in between would end this process and leave the other running.
  /** @type {readonly NodeJS.Signals[]} */
  const forwarded = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2'];
  for (const signal of forwarded) process.on(signal, () => child.kill(signal));
  const child = spawn(runtime, process.argv.slice(1), { stdio: 'inherit' });
  child.on('error', (error) => {
    process.stderr.write(`gpuwarden: cannot start ${runtime}: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
  });
}
