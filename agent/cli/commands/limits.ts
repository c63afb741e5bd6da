import { InvalidArgumentError, Option } from 'commander';
import { parseUserName } from '../../config/ids.ts';
import { limitKeys } from '../../config/limit-keys.ts';
import {
  type ContainerType,
  type EffectiveLimits,
  type LimitName,
  containerTypes,
  describeOrigin,
} from '../../config/limits-model.ts';
import { limitsFor } from '../../config/limits.ts';
import { loadConfig } from '../../config/load.ts';
import { InvalidConfigError } from '../../config/problem.ts';
import { formatDuration, formatSize } from '../../config/units.ts';
import type { Command } from '../command.ts';
import { formatTable, printable } from '../table.ts';

interface Options {
  readonly json?: true;
  readonly dockerArgs?: true;
  readonly explain?: true;
  readonly type?: ContainerType;
}

/** `gpuwarden limits USER`: what a user may have, and why. */
export const limits: Command = {
  register(program, context) {
    program
      .command('limits')
      .description('print what a user may have')
      .argument('<user>', 'login name', (text: string) => {
        const user = parseUserName(text);
        if (user === null) throw new InvalidArgumentError('not a login name');
        return user;
      })
      .option('--json', 'print one JSON document')
      .option('--docker-args', 'print options for "docker run"')
      .option('--explain', 'say where each value comes from')
      .addOption(new Option('--type <type>', 'for one kind of container').choices(containerTypes))
      .action((user: NonNullable<ReturnType<typeof parseUserName>>, options: Options) => {
        const { stdout, env, now, configDirectory } = context();
        const loaded = loadConfig({ directory: configDirectory, env, now: now() });
        if (loaded.kind === 'invalid') throw new InvalidConfigError(loaded.problems);
        const question = { now: now(), containerType: options.type ?? null };
        const effective = limitsFor(loaded.config.limits, user, question);
        if (options.json) stdout(`${JSON.stringify(asJson(effective), null, 2)}\n`);
        else if (options.dockerArgs) stdout(`${dockerArguments(effective).join(' ')}\n`);
        else stdout(asTable(effective, options.explain ?? false));
      });
  },
};

function asTable(effective: EffectiveLimits, explain: boolean): string {
  const rows = limitKeys.map(({ key, limit }) => [
    key,
    formatLimit(limit, effective.values[limit]),
    ...(explain ? [describeOrigin(effective.origins[limit])] : []),
  ]);
  const head = `${effective.user}, ${effective.group === null ? 'in no group' : `group ${effective.group}`}`;
  return `${printable(head)}\n\n${formatTable(['LIMIT', 'VALUE', ...(explain ? ['FROM'] : [])], rows)}`;
}

function formatLimit(limit: LimitName, value: number | null): string {
  if (value === null) return limit === 'removeAfterStopSeconds' ? 'never' : 'no limit';
  if (limit.endsWith('Seconds')) return formatDuration(value);
  return limit.endsWith('Bytes') ? formatSize(value) : String(value);
}

function asJson({ user, group, values, origins }: EffectiveLimits) {
  const entries = limitKeys.map(({ key, limit }) => {
    const unit = limit.endsWith('Seconds') ? '_seconds' : limit.endsWith('Bytes') ? '_bytes' : '';
    return [`${key}${unit}`, { value: values[limit], from: origins[limit] }] as const;
  });
  return { user, group, limits: Object.fromEntries(entries) };
}

/** What `docker run` takes; values are digits and known letters only, hence safe in a shell. */
function dockerArguments({ values }: EffectiveLimits): readonly string[] {
  const options: readonly (readonly [string, number | null])[] = [
    ['--cpus', values.cpus],
    ['--memory', values.memoryBytes],
    ['--memory-swap', values.memorySwapBytes],
    ['--shm-size', values.shmSizeBytes],
    ['--pids-limit', values.pidsLimit],
    // Whole seconds; -1 waits for ever, where Docker's own default is ten seconds.
    ['--stop-timeout', values.stopGraceSeconds === null ? -1 : Math.ceil(values.stopGraceSeconds)],
  ];
  return options.flatMap(([option, value]) => (value === null ? [] : [`${option}=${value}`]));
}
