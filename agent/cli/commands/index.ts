import type { Command } from '../command.ts';
import { checkConfig } from './check-config.ts';
import { gpus } from './gpus.ts';
import { limits } from './limits.ts';
import { ps } from './ps.ts';
import { run } from './run.ts';
import { why } from './why.ts';

/** Every verb, in the order of the help. A new one is a new file and a line here. */
export const commands: readonly Command[] = [run, ps, gpus, why, limits, checkConfig];
