import type { Command } from '../command.ts';

/** `gpuwarden run`: the agent itself, in the foreground. */
export const run: Command = {
  register(program, context) {
    program
      .command('run')
      .description('run the agent in the foreground, until SIGTERM or Ctrl-C')
      .action(async () => {
        await context().runAgent();
      });
  },
};
