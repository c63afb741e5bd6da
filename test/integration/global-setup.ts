import { sweepEngineFolders } from './engine-folder.ts';

/** Vitest calls it once before all tests: engines that a killed run left behind must not stay for ever. */
export async function setup(): Promise<void> {
  if (process.getuid?.() !== 0) return;
  for (const folder of await sweepEngineFolders()) {
    process.stderr.write(`test engines: cleared away ${folder}, left by an earlier run\n`);
  }
}
