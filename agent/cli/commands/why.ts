import { formatDuration, formatSize } from '../../config/units.ts';
import { WhyAnswer } from '../../enforcement/why.ts';
import { askAgent } from '../agent-client.ts';
import { agentSocket } from '../agent-socket.ts';
import type { Command } from '../command.ts';
import { printable } from '../table.ts';

type Judged = WhyAnswer['judgements'][number];

/** `gpuwarden why CONTAINER`: what is held against a container, what keeps it alive, and what comes next when. */
export const why: Command = {
  register(program, context) {
    program
      .command('why')
      .description('say what is held against a container, what keeps it alive, and what comes next')
      .argument('<container>', 'its name, or the beginning of its id')
      .option('--json', 'print one JSON document')
      .action(async (container: string, options: { readonly json?: true }) => {
        const { stdout, now } = context();
        const path = `/api/v1/containers/${encodeURIComponent(container)}/why`;
        const answer = WhyAnswer.parse(await askAgent(agentSocket(context()), path));
        stdout(options.json ? `${JSON.stringify(answer, null, 2)}\n` : describe(answer, now()));
      });
  },
};

function describe(answer: WhyAnswer, now: Date): string {
  const { container, container_id: id, user, owner_source: source, state, activity } = answer;
  const head = [
    `${container} (${id}) on ${answer.host}: ${state}${activity === null ? '' : `, ${activity}`}`,
    user === 'unknown' ? 'nobody knows whose it is' : `it belongs to ${user} (${source})`,
    modes[answer.mode],
  ];
  const lines = [...head, '', ...answer.judgements.flatMap((one) => describeJudgement(one, now))];
  return `${lines.map(printable).join('\n')}\n`;
}

const modes: Readonly<Record<WhyAnswer['mode'], string>> = {
  observe: 'nothing is done to containers on this server yet: below is what would be',
  warn: 'people are told, and nothing else is done to containers on this server',
  enforce: 'what is announced below is done',
};

function describeJudgement(
  { policy, state, reason, evidence, next, rungs }: Judged,
  now: Date,
): readonly string[] {
  return [
    `${policy}: ${words[state]}: ${reason}`,
    ...evidence.map(
      (one) => `    ${one.what}: ${valueOf(one, now)}${one.from === null ? '' : `, ${one.from}`}`,
    ),
    ...rungs.map(
      ({ action, at }) => `    ${action === next?.action ? '->' : '  '} ${action}: ${instant(at, now)}`,
    ),
  ];
}

const words: Readonly<Record<Judged['state'], string>> = {
  clear: 'nothing against it',
  exempt: 'does not apply',
  unknown: 'cannot be told, so nothing follows',
  running: 'its time runs',
};

function valueOf({ kind, value }: Judged['evidence'][number], now: Date): string {
  if (typeof value === 'string') return kind === 'instant' ? instant(value, now) : value;
  if (kind === 'duration') return formatDuration(value);
  return kind === 'size' ? formatSize(value) : String(Math.round(value * 100) / 100);
}

function instant(iso: string, now: Date): string {
  const seconds = (Date.parse(iso) - now.getTime()) / 1000;
  const distance = formatDuration(roughly(Math.abs(seconds)));
  return `${iso.replace('T', ' ').replace(/\.\d+Z$/, ' UTC')} (${seconds < 0 ? `${distance} ago` : `in ${distance}`})`;
}

/** Nobody reads the seconds of an hour. */
function roughly(seconds: number): number {
  return seconds < 3600 ? seconds : Math.floor(seconds / 60) * 60;
}
