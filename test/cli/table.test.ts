import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatTable, printable } from '../../agent/cli/table.ts';
import { anyText } from '../any-text.ts';

describe('a table', () => {
  it('has its columns two spaces apart, as wide as their longest cell, and no space at the end of a line', () => {
    const rows = [
      ['training', 'alice', '1.5'],
      ['x', 'bob', ''],
    ];
    expect(formatTable(['NAME', 'USER', 'CPU'], rows)).toBe(
      ['NAME      USER   CPU', 'training  alice  1.5', 'x         bob', ''].join('\n'),
    );
  });

  it('without rows is its header', () => {
    expect(formatTable(['NAME', 'USER'], [])).toBe('NAME  USER\n');
  });

  it('has room for rows that are shorter than the header', () => {
    expect(formatTable(['A', 'B', 'C'], [['1'], []])).toBe('A  B  C\n1\n\n');
  });

  it('has one line for each row, whatever strangers put into the cells', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyText(), anyText())), (rows) => {
        const lines = formatTable(['NAME', 'USER'], rows).split('\n');
        expect(lines).toHaveLength(rows.length + 2);
        expect(lines.at(-1)).toBe('');
      }),
    );
  });
});

describe('text of strangers on a terminal', () => {
  it.each([
    ['\u001b[31mred\u001b[0m', '\ufffd[31mred\ufffd[0m'],
    // C1 control: on some terminals the same as ESC [.
    ['\u009b2J', '\ufffd2J'],
    ['a\nb\rc\td', 'a\ufffdb\ufffdc\ufffdd'],
    ['\u0007\u0008\u007f', '\ufffd\ufffd\ufffd'],
    // Turns the direction of what follows: "exe.txt" that reads as "txt.exe".
    ['a\u202ecba', 'a\ufffdcba'],
    ['a\u2066b\u2069', 'a\ufffdb\ufffd'],
  ])('loses what steers it: %j', (text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  it('stays what it is otherwise', () => {
    for (const text of ['müller', '日本', 'dana@lab.example', '💥', ' spaced  out ', '\u00a0'])
      expect(printable(text)).toBe(text);
  });

  it('never holds a control character', () => {
    fc.assert(
      fc.property(anyText(), (text) => {
        expect(printable(text)).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
        expect(printable(text)).toHaveLength(text.length);
      }),
    );
  });
});
