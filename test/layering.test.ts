import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path/posix';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

/**
 * What each room of `agent/` may import beside itself: the rooms to its left, `config` and `store`. The faces read the
 * rooms, and nobody imports a face but the files of the root, which put everything together.
 */
const mayImport = {
  config: [],
  store: ['config'],
  sources: ['config', 'store'],
  lab: ['config', 'store', 'sources'],
  policy: ['config', 'store', 'sources', 'lab'],
  enforcement: ['config', 'store', 'sources', 'lab', 'policy'],
  notify: ['config', 'store', 'sources', 'lab', 'policy', 'enforcement'],
  launcher: ['config', 'store', 'sources', 'lab', 'policy'],
  metrics: ['config', 'store', 'sources', 'lab', 'policy', 'enforcement', 'notify', 'launcher'],
  http: ['config', 'store', 'sources', 'lab', 'policy', 'enforcement', 'notify', 'launcher', 'metrics'],
  cli: ['config', 'store', 'sources', 'lab', 'policy', 'enforcement', 'notify', 'launcher', 'metrics'],
} as const satisfies Record<string, readonly string[]>;

/** Rooms that never touch the machine themselves, and what of Node would let them. */
const withoutMachine = new Set(['lab', 'policy']);
const machineModules =
  /^node:(?:fs|child_process|net|http|https|http2|dgram|dns|tls|cluster|worker_threads|sqlite)(?:\/|$)/;

interface SourceFile {
  /** As in `agent/lab/lab.ts`. */
  readonly path: string;
  readonly text: string;
}

interface Import {
  readonly line: number;
  /** null: not written out, hence not to be judged. */
  readonly target: string | null;
}

/** Everything that a file imports: statically, for its types, by re-export or at run time. */
function importsOf(text: string): readonly Import[] {
  const code = withoutComments(text);
  const found: Import[] = [];
  const add = (index: number, target: string | null) =>
    found.push({ line: code.slice(0, index).split('\n').length, target });
  for (const match of code.matchAll(/^[ \t]*(?:import|export)\b[^;'"`()]*?\bfrom\s*(['"])([^'"]+)\1/gm))
    add(match.index + match[0].lastIndexOf('from'), match[2] ?? null);
  for (const match of code.matchAll(/^[ \t]*import\s*(['"])([^'"]+)\1/gm)) add(match.index, match[2] ?? null);
  for (const match of code.matchAll(/(?<![.\w$])(?:import|require)\s*\(\s*(?:(['"])([^'"]+)\1\s*[,)])?/g))
    add(match.index, match[2] ?? null);
  return found.toSorted((one, other) => one.line - other.line);
}

/** The same text with its comments blanked out, so that positions stay. */
function withoutComments(text: string): string {
  const comments = /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|\/\*[\s\S]*?\*\/|(?<![:\\])\/\/[^\n]*/g;
  return text.replaceAll(comments, (match, quoted: string | undefined) =>
    quoted === undefined ? match.replaceAll(/[^\n]/g, ' ') : match,
  );
}

/** Each import that breaks the order, as `file:line: what`. */
function violations(files: readonly SourceFile[]): readonly string[] {
  const known = new Set(files.map(({ path }) => path));
  return files.flatMap(({ path, text }) =>
    importsOf(text).flatMap(({ line, target }) => {
      const complaint = judge(path, target, known);
      return complaint === null ? [] : [`${path}:${line}: ${complaint}`];
    }),
  );
}

function judge(path: string, target: string | null, known: ReadonlySet<string>): string | null {
  const room = roomOf(path);
  if (target === null) return 'imports what is not written out';
  if (room !== null && !Object.hasOwn(mayImport, room)) return `${room} is no room of the house`;
  if (!target.startsWith('.')) {
    return room !== null && withoutMachine.has(room) && machineModules.test(target)
      ? `${room} must not touch the machine, but imports ${target}`
      : null;
  }
  const file = normalize(join(dirname(path), target));
  if (!file.startsWith('agent/')) return `imports ${file}, which is outside of agent/`;
  if (!known.has(file)) return `imports ${file}, which is not there`;
  const other = roomOf(file);
  // The root puts everything together: it may import every room.
  if (room === null || room === other) return null;
  if (other === null) return `${room} must not import ${file}: only the root knows the root`;
  const allowed: readonly string[] = Object.entries(mayImport).find(([name]) => name === room)?.[1] ?? [];
  return allowed.includes(other) ? null : `${room} must not import ${other} (${file})`;
}

/** null for the files of the root. */
function roomOf(path: string): string | null {
  const [, room, ...rest] = path.split('/');
  return rest.length === 0 || room === undefined ? null : room;
}

function agentFiles(): readonly SourceFile[] {
  const root = fileURLToPath(new URL('../agent', import.meta.url));
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.[mc]?[jt]s$/.test(name))
    .map((name) => ({ path: `agent/${name}`, text: readFileSync(join(root, name), 'utf8') }));
}

describe('the house', () => {
  it('is imported from left to right only', () => {
    expect(violations(agentFiles())).toEqual([]);
  });

  it('was really read: every room that there is imports something', () => {
    const files = agentFiles();
    const importing = new Set(
      files.filter(({ text }) => importsOf(text).length > 0).map(({ path }) => roomOf(path)),
    );
    const rooms = new Set(files.map(({ path }) => roomOf(path)));
    expect([...rooms].filter((room) => !importing.has(room))).toEqual([]);
    expect(rooms.size).toBeGreaterThanOrEqual(7);
    // An import statement that the reader missed would be one that nobody judges.
    for (const { path, text } of files) {
      const written = text.match(/^import\b/gm)?.length ?? 0;
      expect([path, importsOf(text).length >= written]).toEqual([path, true]);
    }
  });
});

describe('a breach of the order', () => {
  /** A little house in which every import leads somewhere. */
  function breachesOf(path: string, text: string): readonly string[] {
    const others = [
      'config/ids',
      'store/lock',
      'sources/users',
      'lab/lab',
      'policy/idle',
      'enforcement/ports',
      'notify/mail',
      'launcher/create',
      'metrics/page',
      'http/server',
      'cli/program',
      'agent',
    ].map((name) => ({ path: `agent/${name}.ts`, text: '' }));
    return violations([...others.filter((other) => other.path !== path), { path, text }]);
  }

  it.each([
    [
      'agent/config/x.ts',
      "import { a } from '../store/lock.ts';",
      'config must not import store (agent/store/lock.ts)',
    ],
    [
      'agent/store/x.ts',
      "import { a } from '../sources/users.ts';",
      'store must not import sources (agent/sources/users.ts)',
    ],
    [
      'agent/sources/a/b/x.ts',
      "import { a } from '../../../lab/lab.ts';",
      'sources must not import lab (agent/lab/lab.ts)',
    ],
    [
      'agent/lab/x.ts',
      "import type { A } from '../policy/idle.ts';",
      'lab must not import policy (agent/policy/idle.ts)',
    ],
    [
      'agent/policy/x.ts',
      "import '../enforcement/ports.ts';",
      'policy must not import enforcement (agent/enforcement/ports.ts)',
    ],
    [
      'agent/policy/x.ts',
      "import { a } from '../launcher/create.ts';",
      'policy must not import launcher (agent/launcher/create.ts)',
    ],
    [
      'agent/enforcement/x.ts',
      "export * from '../notify/mail.ts';",
      'enforcement must not import notify (agent/notify/mail.ts)',
    ],
    [
      'agent/enforcement/x.ts',
      "export type { A } from '../launcher/create.ts';",
      'enforcement must not import launcher (agent/launcher/create.ts)',
    ],
    [
      'agent/launcher/x.ts',
      "import { a } from '../enforcement/ports.ts';",
      'launcher must not import enforcement (agent/enforcement/ports.ts)',
    ],
    [
      'agent/notify/x.ts',
      "const { a } = await import('../metrics/page.ts');",
      'notify must not import metrics (agent/metrics/page.ts)',
    ],
    [
      'agent/metrics/x.ts',
      "import { a } from '../http/server.ts';",
      'metrics must not import http (agent/http/server.ts)',
    ],
    [
      'agent/http/x.ts',
      "import { a } from '../cli/program.ts';",
      'http must not import cli (agent/cli/program.ts)',
    ],
    [
      'agent/cli/x.ts',
      "import { a } from '../http/server.ts';",
      'cli must not import http (agent/http/server.ts)',
    ],
    [
      'agent/cli/x.ts',
      "import { a } from '../agent.ts';",
      'cli must not import agent/agent.ts: only the root knows the root',
    ],
    [
      'agent/lab/x.ts',
      "import { readFileSync } from 'node:fs';",
      'lab must not touch the machine, but imports node:fs',
    ],
    [
      'agent/policy/x.ts',
      "import { a } from 'node:fs/promises';",
      'policy must not touch the machine, but imports node:fs/promises',
    ],
    [
      'agent/lab/x.ts',
      "import { a } from '../../test/lab/people.ts';",
      'imports test/lab/people.ts, which is outside of agent/',
    ],
    ['agent/lab/x.ts', "import { a } from './gone.ts';", 'imports agent/lab/gone.ts, which is not there'],
    ['agent/lab/x.ts', 'await import(`../${name}.ts`);', 'imports what is not written out'],
    ['agent/misc/x.ts', "import { a } from '../config/ids.ts';", 'misc is no room of the house'],
  ])('in %s: %s', (path, statement, complaint) => {
    expect(breachesOf(path, `// a file\n\n${statement}\n`)).toEqual([`${path}:3: ${complaint}`]);
  });

  it('is found behind many names, with the line that says where from', () => {
    const text = "import { a } from './b.ts';\nimport {\n  type One,\n  two,\n} from '../lab/lab.ts';\n";
    expect(
      violations([
        { path: 'agent/sources/x.ts', text },
        { path: 'agent/sources/b.ts', text: '' },
        { path: 'agent/lab/lab.ts', text: '' },
      ]),
    ).toEqual(['agent/sources/x.ts:5: sources must not import lab (agent/lab/lab.ts)']);
  });

  it.each([
    ['agent/main.ts', "import { a } from './cli/program.ts';\nconst { b } = await import('./agent.ts');"],
    [
      'agent/lab/x.ts',
      "import { a } from './lab.ts';\nimport { b } from '../sources/users.ts';\nimport { join } from 'node:path';",
    ],
    ['agent/sources/x.ts', "import { readFileSync } from 'node:fs';\nimport * as z from 'zod';"],
    [
      'agent/notify/x.ts',
      "import { a } from '../enforcement/ports.ts';\nimport { b } from '../store/lock.ts';",
    ],
    [
      'agent/http/x.ts',
      "import { a } from '../metrics/page.ts';\nimport { b } from '../launcher/create.ts';",
    ],
    [
      'agent/sources/x.ts',
      "// import { a } from '../lab/lab.ts';\n/* await import('../lab/lab.ts') */\nconst url = 'http://lab'; // from '../lab/lab.ts'",
    ],
    ['agent/config/x.ts', 'const help = "take it from \'../lab/lab.ts\'";\nrules.import();'],
  ])('is none in %s: %s', (path, text) => {
    expect(breachesOf(path, text)).toEqual([]);
  });
});
