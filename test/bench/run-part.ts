import { writeFileSync } from 'node:fs';
import { parts } from './parts.ts';

// One part in a process of its own: `run-part.ts NAME FILE` writes what it measured into the file, as JSON.

// What is to be removed at the end is removed when it is interrupted, too.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const [name, file] = process.argv.slice(2);
const part = parts.find((one) => one.name === name);
if (part === undefined || file === undefined) throw new Error('run-part.ts NAME FILE');
writeFileSync(file, JSON.stringify(await part.run()));
