import { readFileSync } from 'node:fs';

/** What came of reading a text file; `reason` completes the sentence "the file …". */
export type TextRead =
  | { readonly kind: 'ok'; readonly text: string }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unreadable'; readonly reason: string };

/** Reads a file as UTF-8. Any other encoding is refused: half a name read wrong is another name. */
export function readTextFile(file: string): TextRead {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { kind: 'absent' };
    const reason = `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    return { kind: 'unreadable', reason };
  }
  try {
    return { kind: 'ok', text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return { kind: 'unreadable', reason: 'is not UTF-8' };
  }
}
