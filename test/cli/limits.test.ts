import { describe, expect, it } from 'vitest';
import { limitKeys } from '../../agent/config/limit-keys.ts';
import { fixtureFolder, makeFolder } from '../config/folder.ts';
import { gpuwarden } from './command-line.ts';

/** Runs `limits` on a folder, which is called /etc/gpuwarden in what it says. */
async function limits(folder: string, ...args: readonly string[]) {
  const { code, stdout, stderr } = await gpuwarden(['--config', folder, 'limits', ...args]);
  return {
    code,
    stdout: stdout.replaceAll(folder, '/etc/gpuwarden'),
    stderr: stderr.replaceAll(folder, '/etc/gpuwarden'),
  };
}

const mixedLab = fixtureFolder('seed-mixed-lab');
const thesis = fixtureFolder('seed-override');

describe('gpuwarden limits USER --explain', () => {
  it('says of every limit what it is and where it comes from', async () => {
    const { code, stdout, stderr } = await limits(mixedLab, 'student2', '--explain');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatchInlineSnapshot(`
      "student2, group undergrads

      LIMIT                VALUE     FROM
      gpus                 1         group undergrads (/etc/gpuwarden/resource-limits.yaml:9)
      gpus_per_container   no limit  built-in (the file says nothing)
      cpus                 6         group undergrads (/etc/gpuwarden/resource-limits.yaml:10)
      memory               24g       group undergrads (/etc/gpuwarden/resource-limits.yaml:11)
      memory_swap          no limit  built-in (the file says nothing)
      shm_size             no limit  built-in (the file says nothing)
      pids_limit           no limit  built-in (the file says nothing)
      max_containers       no limit  built-in (the file says nothing)
      idle_timeout         24h       group undergrads (/etc/gpuwarden/resource-limits.yaml:12)
      max_runtime          no limit  built-in (the file says nothing)
      startup_grace        30m       built-in (the file says nothing)
      stop_grace           1m        built-in (the file says nothing)
      gpu_hold_after_stop  0s        built-in (the file says nothing)
      remove_after_stop    never     built-in (the file says nothing)
      "
    `);
  });

  it('says that a group lifted a limit', async () => {
    const { stdout } = await limits(mixedLab, 'prof_smith', '--explain');
    expect(stdout).toMatchInlineSnapshot(`
      "prof_smith, group faculty

      LIMIT                VALUE     FROM
      gpus                 2         group faculty (/etc/gpuwarden/resource-limits.yaml:23)
      gpus_per_container   no limit  built-in (the file says nothing)
      cpus                 16        group faculty (/etc/gpuwarden/resource-limits.yaml:24)
      memory               64g       group faculty (/etc/gpuwarden/resource-limits.yaml:25)
      memory_swap          no limit  built-in (the file says nothing)
      shm_size             no limit  built-in (the file says nothing)
      pids_limit           no limit  built-in (the file says nothing)
      max_containers       no limit  built-in (the file says nothing)
      idle_timeout         no limit  group faculty (/etc/gpuwarden/resource-limits.yaml:26)
      max_runtime          no limit  built-in (the file says nothing)
      startup_grace        30m       built-in (the file says nothing)
      stop_grace           1m        built-in (the file says nothing)
      gpu_hold_after_stop  0s        built-in (the file says nothing)
      remove_after_stop    never     built-in (the file says nothing)
      "
    `);
  });

  it('says why there is an exception', async () => {
    const { stdout } = await limits(thesis, 'thesis_student', '--explain');
    expect(stdout).toMatchInlineSnapshot(`
      "thesis_student, in no group

      LIMIT                VALUE     FROM
      gpus                 2         override: Thesis - approved by Prof. Smith (/etc/gpuwarden/resource-limits.yaml:13)
      gpus_per_container   no limit  built-in (the file says nothing)
      cpus                 8         default (/etc/gpuwarden/resource-limits.yaml:3)
      memory               64g       override: Thesis - approved by Prof. Smith (/etc/gpuwarden/resource-limits.yaml:14)
      memory_swap          no limit  built-in (the file says nothing)
      shm_size             no limit  built-in (the file says nothing)
      pids_limit           no limit  built-in (the file says nothing)
      max_containers       no limit  built-in (the file says nothing)
      idle_timeout         7d        override: Thesis - approved by Prof. Smith (/etc/gpuwarden/resource-limits.yaml:15)
      max_runtime          no limit  built-in (the file says nothing)
      startup_grace        30m       built-in (the file says nothing)
      stop_grace           1m        built-in (the file says nothing)
      gpu_hold_after_stop  0s        built-in (the file says nothing)
      remove_after_stop    never     built-in (the file says nothing)
      "
    `);
  });

  it('says who approved an exception and until when, in words that no file can bend', async () => {
    const folder = makeFolder({
      'resource-limits.yaml': `user_overrides:
  ann:
    gpus: 4
    reason: "thesis\\n\\e[2Jfree for all"
    approved_by: prof_smith
    expires: 2026-06-15
`,
    });
    const { stdout } = await limits(folder, 'ann', '--explain');
    expect(stdout.split('\n')[3]).toBe(
      'gpus                 4         override until 2026-06-15, approved by prof_smith: ' +
        'thesis\ufffd\ufffd[2Jfree for all (/etc/gpuwarden/resource-limits.yaml:3)',
    );
    expect(stdout).not.toContain('\u001b');
  });

  it('says for a kind of container what comes from it', async () => {
    const folder = makeFolder({
      'resource-limits.yaml': 'container_types:\n  compose:\n    max_runtime: 36h\n',
    });
    const { stdout } = await limits(folder, 'ann', '--type', 'compose', '--explain');
    expect(stdout).toMatch(
      /^max_runtime +36h +container type compose \(\/etc\/gpuwarden\/resource-limits\.yaml:3\)$/m,
    );
    expect((await limits(folder, 'ann')).stdout).toMatch(/^max_runtime +no limit$/m);
  });
});

describe('gpuwarden limits USER', () => {
  it('prints what a user may have', async () => {
    const { stdout } = await limits(mixedLab, 'phd1');
    expect(stdout).toMatchInlineSnapshot(`
      "phd1, group grad_students

      LIMIT                VALUE
      gpus                 1
      gpus_per_container   no limit
      cpus                 8
      memory               32g
      memory_swap          no limit
      shm_size             no limit
      pids_limit           no limit
      max_containers       no limit
      idle_timeout         3d
      max_runtime          no limit
      startup_grace        30m
      stop_grace           1m
      gpu_hold_after_stop  0s
      remove_after_stop    never
      "
    `);
  });

  it('knows that somebody is in no group, and of the group of everybody else', async () => {
    expect((await limits(mixedLab, 'stranger')).stdout).toMatch(/^stranger, in no group\n/);
    const folder = makeFolder({
      'resource-limits.yaml': 'groups: {guests: {gpus: 0}}\ndefault_group: guests\n',
    });
    const { stdout } = await limits(folder, 'stranger');
    expect(stdout).toMatch(/^stranger, group guests\n/);
    expect(stdout).toMatch(/^gpus +0$/m);
  });

  it.each(['204214', '204214@lab.example', 'b.ob', '-x', 'x'.repeat(64)])(
    'takes %s for a name',
    async (name) => {
      const { code, stdout } = await limits(mixedLab, '--', name);
      expect([code, stdout.split(',')[0]]).toEqual([0, name]);
    },
  );

  it('does not let the name of a group draw on the terminal', async () => {
    const folder = makeFolder({ 'resource-limits.yaml': 'groups: {"a\\e[31m\\u202eb": {members: [ann]}}\n' });
    expect((await limits(folder, 'ann')).stdout).toMatch(/^ann, group a\ufffd\[31m\ufffdb\n/);
  });
});

describe('gpuwarden limits USER --json', () => {
  it('prints one document with every limit in its base unit, null for none, and its origin', async () => {
    const { code, stdout } = await limits(thesis, 'thesis_student', '--json');
    expect(code).toBe(0);
    const answer: unknown = JSON.parse(stdout);
    const override = {
      kind: 'override',
      user: 'thesis_student',
      reason: 'Thesis - approved by Prof. Smith',
      approvedBy: null,
      expires: null,
    };
    const at = (line: number) => ({
      file: '/etc/gpuwarden/resource-limits.yaml',
      line,
      column: line < 10 ? 3 : 5,
    });
    expect(answer).toEqual({
      user: 'thesis_student',
      group: null,
      limits: {
        gpus: { value: 2, from: { ...override, at: at(13) } },
        gpus_per_container: { value: null, from: { kind: 'built-in' } },
        cpus: { value: 8, from: { kind: 'defaults', at: at(3) } },
        memory_bytes: { value: 68_719_476_736, from: { ...override, at: at(14) } },
        memory_swap_bytes: { value: null, from: { kind: 'built-in' } },
        shm_size_bytes: { value: null, from: { kind: 'built-in' } },
        pids_limit: { value: null, from: { kind: 'built-in' } },
        max_containers: { value: null, from: { kind: 'built-in' } },
        idle_timeout_seconds: { value: 604_800, from: { ...override, at: at(15) } },
        max_runtime_seconds: { value: null, from: { kind: 'built-in' } },
        startup_grace_seconds: { value: 1_800, from: { kind: 'built-in' } },
        stop_grace_seconds: { value: 60, from: { kind: 'built-in' } },
        gpu_hold_after_stop_seconds: { value: 0, from: { kind: 'built-in' } },
        remove_after_stop_seconds: { value: null, from: { kind: 'built-in' } },
      },
    });
  });

  it('has every limit that there is', async () => {
    const answer: { limits: object } = JSON.parse((await limits(mixedLab, 'phd1', '--json')).stdout);
    expect(Object.keys(answer.limits)).toHaveLength(limitKeys.length);
  });
});

describe('gpuwarden limits USER --docker-args', () => {
  async function dockerArgs(text: string): Promise<string> {
    const folder = makeFolder({ 'resource-limits.yaml': text });
    return (await limits(folder, 'ann', '--docker-args')).stdout;
  }

  it('prints the options of docker run on one line', async () => {
    const text =
      'defaults: {cpus: 6, memory: 24g, memory_swap: 1.5t, shm_size: 16g, pids_limit: 4096, stop_grace: 2m}';
    expect(await dockerArgs(text)).toBe(
      '--cpus=6 --memory=25769803776 --memory-swap=1649267441664 --shm-size=17179869184 --pids-limit=4096 --stop-timeout=120\n',
    );
    expect((await limits(mixedLab, 'student2', '--docker-args')).stdout).toBe(
      '--cpus=6 --memory=25769803776 --stop-timeout=60\n',
    );
  });

  it('leaves out what has no limit', async () => {
    expect(await dockerArgs('defaults: {cpus: null, memory: null}')).toBe('--stop-timeout=60\n');
  });

  it('gives whole seconds to stop, the only ones that Docker knows, and never less than were promised', async () => {
    expect(await dockerArgs('defaults: {stop_grace: 1.5s}')).toBe('--stop-timeout=2\n');
    expect(await dockerArgs('defaults: {stop_grace: 0s}')).toBe('--stop-timeout=0\n');
  });

  it('waits for ever where no limit is asked for, and not the ten seconds of Docker', async () => {
    expect(await dockerArgs('defaults: {stop_grace: null}')).toBe('--stop-timeout=-1\n');
  });

  it('is safe in a shell whatever the file says', async () => {
    const text = 'defaults: {cpus: 0.5}\nuser_overrides: {ann: {memory: 1.5GiB, reason: "$(reboot)"}}';
    expect(await dockerArgs(text)).toMatch(/^[-a-z0-9=. ]+\n$/);
  });
});

describe('gpuwarden limits that cannot be answered', () => {
  it('ends with 2 and says which kinds of container there are', async () => {
    const { code, stdout, stderr } = await limits(mixedLab, 'phd1', '--type', 'vm');
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toBe(
      "error: option '--type <type>' argument 'vm' is invalid. " +
        'Allowed choices are devcontainer, compose, docker, unknown.\n',
    );
  });

  it.each([
    [[], "error: missing required argument 'user'\n"],
    [['a', 'b'], "error: too many arguments for 'limits'. Expected 1 argument but got 2.\n"],
    [['a b'], "error: command-argument value 'a b' is invalid for argument 'user'. not a login name\n"],
    [[''], "error: command-argument value '' is invalid for argument 'user'. not a login name\n"],
    [['../x'], "error: command-argument value '../x' is invalid for argument 'user'. not a login name\n"],
    [['a', '--type'], "error: option '--type <type>' argument missing\n"],
    [['a', '--yaml'], "error: unknown option '--yaml'\n"],
  ])('ends with 2 for %j', async (args, message) => {
    expect(await limits(mixedLab, ...args)).toEqual({ code: 2, stdout: '', stderr: message });
  });

  it.each(['--explain', '--json', '--docker-args'])(
    'ends with 1 and every problem of a file that is invalid, and prints no limits: %s',
    async (option) => {
      const folder = makeFolder({ 'resource-limits.yaml': 'defaults:\n  memory: lots\n  gpu: 1\n' });
      const { code, stdout, stderr } = await limits(folder, 'ann', option);
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr).toBe(`gpuwarden: the configuration is invalid:
/etc/gpuwarden/resource-limits.yaml:2:3: defaults.memory: expected a size such as 32g, 512m or 1.5GiB (units of 1024, as Docker counts), or plain bytes
/etc/gpuwarden/resource-limits.yaml:3:3: defaults.gpu: unknown key; did you mean "gpus"?
`);
    },
  );
});
