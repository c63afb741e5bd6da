import { type ChildProcess, spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach } from 'vitest';

const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

function urlOf(path: string): string {
  return JSON.stringify(fileURLToPath(new URL(`../../agent/${path}`, import.meta.url)));
}

/**
 * Starts another process with a store in the folder: in its program, `open(options?)` opens it, `createJournal`,
 * `createDeliveries` and `containerId(number)` are there, and `say(text)` has said it when it returns. An error of the
 * store is said with its code.
 */
export function startProgram(folder: string, program: string) {
  const source = `
    import { existsSync, writeSync } from 'node:fs';
    import { openStore } from ${urlOf('store/database.ts')};
    import { createJournal } from ${urlOf('store/journal.ts')};
    import { createDeliveries } from ${urlOf('store/deliveries.ts')};
    const say = (text) => writeSync(1, text + '\\n');
    const containerId = (number) => number.toString(16).padStart(64, '0');
    const open = (options = {}) =>
      openStore({ directory: ${JSON.stringify(folder)}, programVersion: '1.2.3', ...options });
    try {
      ${program}
    } catch (error) {
      say(error.code + ' ' + error.message);
    }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  return child;
}

/** What such a process says until it ends. */
export async function runProgram(folder: string, program: string): Promise<string> {
  return (await text(startProgram(folder, program).stdout)).trim();
}
