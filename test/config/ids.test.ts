import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseContainerId, parseUserName, shortContainerId, unknownUid } from '../../agent/config/ids.ts';

describe('a login name', () => {
  it.each([
    'alice',
    'Alice',
    'b.ob',
    'carol-1',
    '204214',
    '204214@lab.example',
    'LAB+dave',
    'éva',
    'svc$',
    '-x',
    '~',
  ])('may be %s, and stays as it is spelt', (name) => {
    expect(parseUserName(name)).toBe(name);
  });

  it('may be longer than 32 letters, as directories hand them out, but not endless', () => {
    expect(parseUserName('x'.repeat(256))).not.toBeNull();
    expect(parseUserName('x'.repeat(257))).toBeNull();
  });

  it.each([
    '',
    ' ',
    'a b',
    ' a',
    'a\n',
    'a:b',
    'a/b',
    '..',
    '.',
    'a\\b',
    'a"b',
    "a'b",
    'a`b',
    '{a}',
    '<a>',
    'a\u2028b',
  ])('is not %j', (text) => {
    expect(parseUserName(text)).toBeNull();
  });

  it.each(['a\0', 'a\u001b[2J', 'a\u007f', 'a\ud800', '\udc00a'])(
    'has no control characters or halves: %j',
    (text) => {
      expect(parseUserName(text)).toBeNull();
    },
  );

  it('is the text itself or nothing, so that two names never become one', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect([text, null]).toContain(parseUserName(text));
      }),
    );
  });

  it('cannot be what somebody without one is called', () => {
    expect(parseUserName(unknownUid(1000))).toBeNull();
  });
});

describe('the id of a container', () => {
  const id = '0123456789abcdef'.repeat(4);

  it('has 64 digits, of which twelve are shown', () => {
    const parsed = parseContainerId(id);
    expect(parsed).toBe(id);
    expect(parsed === null ? null : shortContainerId(parsed)).toBe('0123456789ab');
  });

  it.each([
    '',
    id.slice(1),
    `${id}0`,
    id.toUpperCase(),
    `${id}\n`,
    `../${id.slice(3)}`,
    id.replace('0', 'g'),
  ])('is not %j', (text) => {
    expect(parseContainerId(text)).toBeNull();
  });
});
