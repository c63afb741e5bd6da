import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DataFolderError, lockDataFolder } from '../../agent/store/lock.ts';

const module = fileURLToPath(new URL('../../agent/store/lock.ts', import.meta.url));
const isRoot = process.getuid?.() === 0;

let folder: string;
let children: ChildProcess[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpuwarden-lock-'));
  children = [];
});

afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  chmodSync(folder, 0o700);
  rmSync(folder, { recursive: true });
});

/** Another process that takes the folder, says `locked` or why not, and stays until it is killed. */
async function lockElsewhere(
  prelude = '',
  afterwards = '',
): Promise<{ readonly child: ChildProcess; readonly said: string }> {
  const program = `
    import { lockDataFolder } from ${JSON.stringify(module)};
    ${prelude}
    try {
      lockDataFolder(${JSON.stringify(folder)});
      console.log('locked');
      ${afterwards}
      setInterval(() => undefined, 1000);
    } catch (error) {
      console.log(error.code + ' ' + error.message);
    }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const [said] = await once(child.stdout.setEncoding('utf8'), 'data');
  return { child, said: String(said).trim() };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}

function take(): string {
  try {
    lockDataFolder(folder).release();
    return 'locked';
  } catch (error) {
    if (!(error instanceof DataFolderError)) throw error;
    return `${error.code} ${error.message}`;
  }
}

describe('the data folder', () => {
  it('belongs to one process: a second is told that another agent has it, and how to take another', async () => {
    const { said } = await lockElsewhere();
    expect(said).toBe('locked');
    const refusal = `GPUWARDEN_DATA_FOLDER another agent uses the data folder ${folder}; stop it, or give this one a folder of its own (--data, GPUWARDEN_DATA)`;
    expect(take()).toBe(refusal);
    expect((await lockElsewhere()).said).toBe(refusal);
  });

  it('can be refused to another process again and again without the first one losing it', async () => {
    const lock = lockDataFolder(folder);
    for (let round = 0; round < 3; round += 1)
      expect((await lockElsewhere()).said).toContain('another agent uses');
    expect(take()).toContain('another agent uses');
    expect((await lockElsewhere()).said).toContain('another agent uses');
    lock.release();
    expect((await lockElsewhere()).said).toBe('locked');
  });

  it('stays taken until it is released, even if nobody keeps what releases it', async () => {
    const { child, said } = await lockElsewhere(
      "import { setFlagsFromString } from 'node:v8'; import { runInNewContext } from 'node:vm'; setFlagsFromString('--expose-gc');",
      "runInNewContext('gc')(); setTimeout(() => console.log('collected'), 50);",
    );
    expect(said).toBe('locked');
    if (child.stdout !== null) expect(String((await once(child.stdout, 'data'))[0])).toBe('collected\n');
    expect(take()).toContain('another agent uses');
  });

  it.each(['SIGKILL', 'SIGTERM'] as const)(
    'is free as soon as its process has ended by %s',
    async (signal) => {
      const { child, said } = await lockElsewhere();
      expect(said).toBe('locked');
      await end(child, signal);
      expect(take()).toBe('locked');
    },
  );

  it('is free when it was released, and can be taken again at once', () => {
    expect([take(), take()]).toEqual(['locked', 'locked']);
  });

  it('holds nothing but the lock, which is empty', () => {
    const lock = lockDataFolder(folder);
    expect(statSync(join(folder, 'agent.lock')).size).toBe(0);
    expect(existsSync(join(folder, 'agent.lock-journal'))).toBe(false);
    lock.release();
  });

  it.skipIf(!isRoot)('cannot be kept from the agent by another user of the machine', async () => {
    // Whoever may read a file may lock it for reading, and SQLite's exclusive lock would have to wait for that.
    chmodSync(folder, 0o755);
    writeFileSync(join(folder, 'agent.lock'), '', { mode: 0o644 });
    expect(take()).toBe('locked');
    const program = `
      process.setgid(65534); process.setuid(65534);
      try {
        require('node:fs').openSync(${JSON.stringify(join(folder, 'agent.lock'))}, 'r');
        console.log('opened');
      } catch (error) { console.log(error.code); }`;
    const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    expect((await text(child.stdout)).trim()).toBe('EACCES');
  });
});

describe('a folder that cannot be used', () => {
  it('because it may only be read is named, with what to do', async () => {
    chmodSync(folder, 0o555);
    // To root every folder is writable.
    const { said } = await lockElsewhere(isRoot ? 'process.setgid(65534); process.setuid(65534);' : '');
    expect(said).toMatch(
      /^GPUWARDEN_DATA_FOLDER the data folder \S+ cannot be used: unable to open database file; give another \(--data, GPUWARDEN_DATA\)$/,
    );
  });

  it('because it is not there is named', () => {
    const missing = join(folder, 'missing');
    expect(() => lockDataFolder(missing)).toThrow(`the data folder ${missing} cannot be used`);
  });

  it('because something else has the name of the lock is named, and that is left as it is', () => {
    writeFileSync(
      join(folder, 'agent.lock'),
      'this is no database, though it is as long as a header of one. '.repeat(40),
    );
    expect(take()).toMatch(
      /^GPUWARDEN_DATA_FOLDER the data folder \S+ cannot be used: file is not a database/,
    );
    expect(statSync(join(folder, 'agent.lock')).size).toBe(62 * 40);
  });
});
