import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Engine, describeWithParts, importImage, startEngine } from './engine.ts';

for (const ownContainerd of [false, true]) {
  describeWithParts(
    ['dockerd', 'docker', 'busybox'],
    `an engine of our own, ${ownContainerd ? 'beside a containerd of our own' : 'with the containerd it starts itself'}`,
    () => {
      let engine: Engine;
      let image: string;

      beforeAll(async () => {
        engine = await startEngine({ name: 'engine-test', ownContainerd });
        image = await importImage(engine);
      }, 120_000);
      afterAll(async () => {
        await engine.stop();
      }, 60_000);

      it('runs a container', { timeout: 60_000 }, async () => {
        expect(await engine.docker('run', '--rm', image, 'echo', 'hello')).toBe('hello');
      });

      it('keeps its data through a restart of the daemon', { timeout: 120_000 }, async () => {
        const id = await engine.docker('run', '-d', '--name', 'kept', image, 'sleep', '3600');
        const before = engine.pid;
        await engine.restart();
        expect(engine.pid).not.toBe(before);
        expect(await engine.docker('ps', '-aq', '--no-trunc')).toBe(id);
        await engine.docker('start', 'kept');
        expect(await engine.docker('inspect', '-f', '{{.State.Running}}', 'kept')).toBe('true');
      });

      it('ends with the log of a daemon that does not start, and leaves no folder', {
        timeout: 60_000,
      }, async () => {
        const programs = mkdtempSync('/tmp/gw-programs-');
        const name = `refused-${ownContainerd}`;
        try {
          writeFileSync(path.join(programs, 'dockerd'), '#!/bin/sh\necho no room today\nexit 1\n', {
            mode: 0o755,
          });
          await expect(startEngine({ name, ownContainerd, pathPrefix: programs })).rejects.toThrow(
            /has ended[^]*no room today/,
          );
          expect(readdirSync('/tmp').filter((entry) => entry.includes(name))).toEqual([]);
        } finally {
          rmSync(programs, { recursive: true, force: true });
        }
      });

      it('says what the client said when a command fails', { timeout: 60_000 }, async () => {
        await expect(engine.docker('inspect', 'nobody')).rejects.toThrow(/no such object: nobody/i);
      });

      it('leaves nothing behind', { timeout: 60_000 }, async () => {
        const folder = path.dirname(engine.socketPath);
        const containerProcess = await engine.docker('inspect', '-f', '{{.State.Pid}}', 'kept');
        const daemon = engine.pid;
        await engine.stop();
        expect(existsSync(folder)).toBe(false);
        expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(folder);
        expect(existsSync(`/proc/${daemon}`)).toBe(false);
        expect(existsSync(`/proc/${containerProcess}`)).toBe(false);
      });
    },
  );
}
