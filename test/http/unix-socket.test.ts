import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listenOn } from '../../agent/http/listen.ts';
import { SocketPathError, prepareSocketPath, restrictSocket } from '../../agent/http/unix-socket.ts';
import { ContainersAnswer } from '../../agent/lab/container-view.ts';
import { type Served, serve } from './servers.ts';

const module = fileURLToPath(new URL('../../agent/http/unix-socket.ts', import.meta.url));

let folder: string;
let path: string;
let served: Served | null = null;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpuwarden-socket-'));
  path = join(folder, 'agent.sock');
});

afterEach(async () => {
  await served?.app.close();
  served = null;
  rmSync(folder, { recursive: true });
});

/** Listens as the agent does. */
async function listen(at: string = path): Promise<void> {
  served = serve({ door: 'unix-socket' });
  await prepareSocketPath(at);
  await listenOn(served.app, { path: at });
  await restrictSocket(at);
}

async function get(
  socketPath: string,
  url: string,
): Promise<{ readonly status: number; readonly body: string }> {
  const asking = request({ socketPath, path: url });
  asking.end();
  const [response] = await once(asking, 'response');
  return { status: response.statusCode, body: await text(response) };
}

/** Leaves a socket behind as an agent does that is killed. */
async function leaveSocketBehind(): Promise<void> {
  const program = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('listening'))`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(lstatSync(path).isSocket()).toBe(true);
}

describe('the Unix socket', () => {
  it('answers without a token, and is for its owner alone', async () => {
    await listen();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const { status, body } = await get(path, '/api/v1/containers');
    expect(status).toBe(200);
    expect(ContainersAnswer.parse(JSON.parse(body)).containers).toHaveLength(1);
    expect((await get(path, '/metrics')).status).toBe(200);
  });

  it.skipIf(process.getuid?.() !== 0)('refuses every other user of the machine', async () => {
    // The folder is open to them; it is the socket itself that is not.
    rmSync(folder, { recursive: true });
    mkdirSync(folder, { mode: 0o755 });
    await listen();
    const program = `
      process.setgid(65534); process.setuid(65534);
      require('node:net').connect(${JSON.stringify(path)})
        .on('connect', () => { console.log('connected'); process.exit(); })
        .on('error', (error) => console.log(error.code));`;
    const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    expect((await text(child.stdout)).trim()).toBe('EACCES');
  });

  it('gets its folder made', async () => {
    const deep = join(folder, 'run', 'gpuwarden', 'agent.sock');
    await listen(deep);
    expect((await get(deep, '/healthz')).status).toBe(200);
  });
});

describe('what lies at its path already', () => {
  it('is removed if it is the socket of an agent that died', async () => {
    await leaveSocketBehind();
    await listen();
    expect((await get(path, '/healthz')).status).toBe(200);
  });

  it('is left alone if somebody answers on it', async () => {
    await listen();
    await expect(prepareSocketPath(path)).rejects.toThrow(SocketPathError);
    await expect(prepareSocketPath(path)).rejects.toThrow(/another agent answers on .*agent\.sock; stop it/);
    expect((await get(path, '/healthz')).status).toBe(200);
  });

  it.skipIf(process.getuid?.() !== 0)(
    'is left alone if it may not be asked: it is another user’s',
    async () => {
      await listen();
      // The folder is theirs, so that they could remove the socket.
      chownSync(folder, 65534, 65534);
      const program = `
      import { prepareSocketPath } from ${JSON.stringify(module)};
      process.setgid(65534); process.setuid(65534);
      try {
        await prepareSocketPath(${JSON.stringify(path)});
        console.log('removed');
      } catch (error) {
        console.log(error.message);
      }`;
      const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      expect(await text(child.stdout)).toContain('another agent answers on');
      expect((await get(path, '/healthz')).status).toBe(200);
    },
  );

  it('is left alone if it is no socket: a path mistyped must not cost a file', async () => {
    writeFileSync(path, 'years of work');
    await expect(prepareSocketPath(path)).rejects.toThrow(/is there and is not a socket; name another/);
    expect(readFileSync(path, 'utf8')).toBe('years of work');
  });

  it('is left alone if it is a folder or a link', async () => {
    mkdirSync(path);
    await expect(prepareSocketPath(path)).rejects.toThrow(SocketPathError);
    const file = join(folder, 'file');
    writeFileSync(file, 'kept');
    const link = join(folder, 'link');
    symlinkSync(file, link);
    await expect(prepareSocketPath(link)).rejects.toThrow(SocketPathError);
    expect([existsSync(path), existsSync(link), readFileSync(file, 'utf8')]).toEqual([true, true, 'kept']);
  });

  it('is left alone if it is a link, even to a socket on which nobody answers', async () => {
    await leaveSocketBehind();
    const link = join(folder, 'link');
    symlinkSync(path, link);
    await expect(prepareSocketPath(link)).rejects.toThrow(/is not a socket/);
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
  });

  it('is said to be in the way if the folder cannot be made', async () => {
    writeFileSync(join(folder, 'file'), '');
    await expect(prepareSocketPath(join(folder, 'file', 'agent.sock'))).rejects.toThrow(
      /the folder of the socket .* cannot be made/,
    );
  });
});
