import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type SmiMachine, type SmiTable, headerOf, helpOf } from './smi-machines.ts';

/** The questions that the stand-in answers, by the arguments that ask them. */
export type FakeQuestion = 'help' | 'gpus' | 'compute-apps' | 'processes' | 'list' | 'details';

/** An executable that answers like nvidia-smi, for a machine that may change while it is in use. */
export interface FakeNvidiaSmi {
  readonly program: string;
  /** An environment in which it is what `nvidia-smi` means. */
  readonly env: Readonly<Record<string, string>>;
  show(machine: SmiMachine): void;
  /**
   * What happens before a question is answered, in sh, which may exit instead; null: nothing. `answer` prints what
   * would be printed; `$n` is how often the question was asked by now.
   */
  before(question: FakeQuestion, script: string | null): void;
  remove(): void;
  bringBack(): void;
  /** The arguments of all runs so far. */
  calls(): readonly string[];
  /** Questions that were asked while an earlier run for the same one was still there. */
  overlaps(): readonly string[];
  /** Processes of it that are there now, whether they run or hang. */
  alive(): readonly number[];
  dispose(): void;
}

/** It knows no other arguments than those of the questions, and refuses a query with a field that it does not list. */
function scriptOf(folder: string): string {
  return `#!/bin/sh
DIR='${folder}'
case "$1" in
  --help-query-gpu) question=help ;;
  --query-gpu=*) question=gpus ;;
  --query-compute-apps=*) question=compute-apps ;;
  pmon) question=processes ;;
  -L) question=list ;;
  -q) question=details ;;
  *) echo "Invalid combination of input arguments. Please run 'nvidia-smi -h' for help."; exit 1 ;;
esac
columns() {
  cd "$1" || exit 1
  set -f
  IFS=,
  set -- $2
  for field; do
    [ -e "$field" ] || { printf 'Field "%s" is not a valid field to query.\\n\\n' "$field"; exit 2; }
  done
  paste -d '|' "$@" | sed 's/|/, /g'
}
monitor() {
  only='0,1,2,3'
  while [ $# -gt 0 ]; do [ "$1" = -i ] && only=$2; shift; done
  indices=$(echo "$only" | sed 's/,/|/g')
  sed -nE -e '/^#/p' -e "/^ *($indices) /p" "$DIR/data/pmon"
}
answer() {
  case $question in
    gpus) columns "$DIR/data/gpus" "\${1#--query-gpu=}" ;;
    compute-apps) columns "$DIR/data/compute-apps" "\${1#--query-compute-apps=}" ;;
    processes) monitor "$@" ;;
    *) cat "$DIR/data/$question" ;;
  esac
}
echo "$*" >> "$DIR/calls"
echo $$ >> "$DIR/pids"
[ -e "$DIR/last.$question" ] && read -r last n < "$DIR/last.$question"
[ -n "$last" ] && [ -e "/proc/$last" ] && echo "$question" >> "$DIR/overlaps"
n=$((n + 1))
echo "$$ $n" > "$DIR/last.$question"
[ -e "$DIR/before.$question" ] && . "$DIR/before.$question"
answer "$@"
`;
}

export function createFakeNvidiaSmi(machine: SmiMachine): FakeNvidiaSmi {
  const folder = mkdtempSync(join(tmpdir(), 'gpuwarden-smi-'));
  const bin = join(folder, 'bin');
  const program = join(bin, 'nvidia-smi');
  let version = 0;
  const lines = (file: string) => {
    const path = join(folder, file);
    return existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n') : [];
  };
  const fake: FakeNvidiaSmi = {
    program,
    env: { PATH: `${bin}:${process.env['PATH'] ?? ''}` },
    show(next) {
      version += 1;
      const data = join(folder, `data-${version}`);
      writeTable(join(data, 'gpus'), next.gpus);
      writeTable(join(data, 'compute-apps'), next.computeApps);
      writeFileSync(join(data, 'help'), helpOf(next.gpus));
      writeFileSync(join(data, 'pmon'), next.pmon);
      writeFileSync(join(data, 'list'), next.list);
      writeFileSync(join(data, 'details'), next.query);
      // A run sees the one machine or the other, never half of each.
      symlinkSync(data, join(folder, 'data-next'));
      renameSync(join(folder, 'data-next'), join(folder, 'data'));
    },
    before(question, script) {
      const path = join(folder, `before.${question}`);
      if (script === null) rmSync(path, { force: true });
      else {
        writeFileSync(`${path}.new`, `${script}\n`);
        renameSync(`${path}.new`, path);
      }
    },
    remove: () => rmSync(program),
    bringBack() {
      writeFileSync(`${program}.new`, scriptOf(folder));
      chmodSync(`${program}.new`, 0o755);
      renameSync(`${program}.new`, program);
    },
    calls: () => lines('calls'),
    overlaps: () => lines('overlaps'),
    alive: () => lines('pids').map(Number).filter(isAlive),
    dispose: () => rmSync(folder, { recursive: true, force: true }),
  };
  mkdirSync(bin);
  fake.bringBack();
  fake.show(machine);
  return fake;
}

/** A file for each column, under each of its names. */
function writeTable(folder: string, table: SmiTable): void {
  mkdirSync(folder, { recursive: true });
  for (const field of table)
    for (const name of field.names)
      writeFileSync(join(folder, name), [headerOf(field), ...field.values, ''].join('\n'));
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
