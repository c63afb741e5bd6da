import { basename, dirname } from 'node:path';
import { type LoadOptions, loadConfig, readAgentFile, readLimitsFile } from '../../config/load.ts';
import { type Problem, aboutFile, formatProblem } from '../../config/problem.ts';
import type { Command } from '../command.ts';
import { printable } from '../table.ts';

/** `gpuwarden check-config`: every problem of the configuration at once, before the agent reads it. */
export const checkConfig: Command = {
  register(program, context, setExitCode) {
    program
      .command('check-config')
      .description('check the configuration, or the files that are named, and print every problem')
      .argument('[files...]', 'agent.yaml or resource-limits.yaml, wherever they are')
      .option('--json', 'print one JSON document')
      .action((files: readonly string[], options: { readonly json?: true }) => {
        const { stdout, env, now, configDirectory } = context();
        const where = { directory: configDirectory, env, now: now() };
        const { problems, warnings } = files.length === 0 ? checkFolder(where) : checkFiles(files, where);
        if (problems.length > 0) setExitCode(1);
        if (options.json) {
          stdout(`${JSON.stringify({ ok: problems.length === 0, problems, warnings }, null, 2)}\n`);
          return;
        }
        for (const problem of problems) stdout(`error: ${printable(formatProblem(problem))}\n`);
        for (const warning of warnings) stdout(`warning: ${printable(formatProblem(warning))}\n`);
        const looked = files.length === 0 ? configDirectory : files.join(', ');
        stdout(
          problems.length === 0
            ? `${looked}: valid\n`
            : `${problems.length} error${problems.length === 1 ? '' : 's'}\n`,
        );
      });
  },
};

interface Findings {
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

function checkFolder(where: LoadOptions): Findings {
  const loaded = loadConfig(where);
  return loaded.kind === 'ok' ? { problems: [], warnings: loaded.config.warnings } : loaded;
}

function checkFiles(files: readonly string[], where: LoadOptions): Findings {
  const findings = files.map((file) => checkFile(file, where));
  return {
    problems: findings.flatMap(({ problems }) => problems),
    warnings: findings.flatMap(({ warnings }) => warnings),
  };
}

function checkFile(file: string, { env, now }: LoadOptions): Findings {
  // Whatever is not called agent.yaml is about limits: people keep drafts under all kinds of names.
  const reading = /^agent\b.*\.ya?ml$/.test(basename(file))
    ? readAgentFile(file, env)
    : readLimitsFile(file, dirname(file), now);
  // The agent can do without its files, but one that was named must be there.
  return reading.isThere ? reading : { problems: [aboutFile(file, 'there is no such file')], warnings: [] };
}
