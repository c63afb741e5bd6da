import { basename, dirname } from 'node:path';
import { type LoadOptions, loadConfig, readAgentFile, readLimitsFile } from '../../config/load.ts';
import { type Problem, formatProblem } from '../../config/problem.ts';
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

function checkFiles(files: readonly string[], { env, now }: LoadOptions): Findings {
  const readings = files.map((file) =>
    // Whatever is not called agent.yaml is about limits: people keep drafts under all kinds of names.
    /^agent\b.*\.ya?ml$/.test(basename(file))
      ? readAgentFile(file, env)
      : readLimitsFile(file, dirname(file), now),
  );
  const missing = readings.flatMap(({ warnings }) =>
    warnings.filter(({ line, key }) => line === 0 && key === ''),
  );
  return {
    // A file that was named must be there.
    problems: [
      ...readings.flatMap(({ problems }) => problems),
      ...missing.map((one) => ({ ...one, message: 'there is no such file' })),
    ],
    warnings: readings.flatMap(({ warnings }) => warnings).filter((warning) => !missing.includes(warning)),
  };
}
