import { formatDuration, formatSize } from '../../config/units.ts';
import { type ContainerView, ContainersAnswer } from '../../lab/container-view.ts';
import { askAgent } from '../agent-client.ts';
import type { Command } from '../command.ts';
import { agentSocket } from '../agent-socket.ts';
import { formatTable } from '../table.ts';

/** `gpuwarden ps`: the containers of the running agent, with owner, group, use, limits and age. */
export const ps: Command = {
  register(program, context) {
    program
      .command('ps')
      .description('list the containers with owner, group, use, limits and age')
      .option('-a, --all', 'stopped containers too')
      .option('--json', 'print one JSON document')
      .action(async (options: { readonly all?: true; readonly json?: true }) => {
        const { stdout } = context();
        const answer = ContainersAnswer.parse(await askAgent(agentSocket(context()), '/api/v1/containers'));
        const shown = answer.containers.filter(({ state }) => options.all ?? isUp(state));
        if (options.json) {
          stdout(`${JSON.stringify({ ...answer, containers: shown }, null, 2)}\n`);
          return;
        }
        stdout(shown.length === 0 ? 'no containers\n' : formatTable(header, shown.map(row)));
      });
  },
};

const header = [
  'CONTAINER ID',
  'NAME',
  'USER',
  'OWNER',
  'GROUP',
  'STATE',
  'ACTIVITY',
  'GPU',
  'CPU',
  'MEMORY',
  'PIDS',
  'IDLE TIMEOUT',
  'AGE',
];

function row(view: ContainerView): readonly string[] {
  return [
    view.container_id,
    view.container,
    view.user,
    view.owner_source,
    view.group ?? '-',
    view.state,
    view.activity ?? '-',
    view.gpus === null ? '?' : view.gpus.map(({ gpu }) => gpu).join(',') || '-',
    ofLimit(view.cpu_cores, view.cpu_limit_cores, (cores) => String(Math.round(cores * 100) / 100)),
    ofLimit(view.memory_working_set_bytes, view.memory_limit_bytes, formatSize),
    view.pids === null ? '?' : String(view.pids),
    view.idle_timeout_seconds === null ? 'none' : formatDuration(view.idle_timeout_seconds),
    view.age_seconds === null ? '-' : formatDuration(roundAge(view.age_seconds)),
  ];
}

/** `1.5 / 8`; what is unknown is `?`, no limit leaves the right side out. */
function ofLimit(used: number | null, limit: number | null, format: (value: number) => string): string {
  const left = used === null ? '?' : format(used);
  return limit === null ? left : `${left} / ${format(limit)}`;
}

/** To the minute above an hour, to the hour above two days: nobody reads seconds of a week. */
function roundAge(seconds: number): number {
  const step = seconds < 3600 ? 1 : seconds < 172_800 ? 60 : 3600;
  return Math.floor(seconds / step) * step;
}

function isUp(state: ContainerView['state']): boolean {
  return state === 'running' || state === 'paused' || state === 'restarting';
}
