import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { canonicalJson } from '../../agent/store/canonical-json.ts';
import { anyText } from '../any-text.ts';

it('writes keys in their order, and nothing that need not be there', () => {
  expect(canonicalJson({ b: 1, a: 'x "y"', Z: null, é: true, aa: -0.5 })).toBe(
    '{"Z":null,"a":"x \\"y\\"","aa":-0.5,"b":1,"é":true}',
  );
  expect(canonicalJson({})).toBe('{}');
});

it('writes the same fields the same way, in whichever order they come, and can be read back', () => {
  const value = fc.oneof(anyText(), fc.integer(), fc.boolean(), fc.constant(null));
  fc.assert(
    fc.property(fc.dictionary(anyText(), value), (fields) => {
      const text = canonicalJson(fields);
      expect(canonicalJson(Object.fromEntries(Object.entries(fields).toReversed()))).toBe(text);
      expect(text.isWellFormed()).toBe(true);
      // JSON of what is sound already says the same, but for the order.
      const sound = Object.entries(fields).every(
        ([key, one]) => key.isWellFormed() && (typeof one !== 'string' || one.isWellFormed()),
      );
      if (sound) expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(fields)));
    }),
  );
});
