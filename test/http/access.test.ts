import { describe, expect, it } from 'vitest';
import { isLoopback } from '../../agent/http/access.ts';

describe('an address that only this machine reaches', () => {
  it.each(['127.0.0.1', '127.0.0.53', '127.255.255.255', '::1', 'localhost'])('is %s', (address) => {
    expect(isLoopback(address)).toBe(true);
  });

  it.each([
    '0.0.0.0',
    '::',
    '',
    '10.0.0.1',
    '128.0.0.1',
    '1270.0.0.1',
    '127.0.0.1.example.org',
    'localhost.example.org',
    '127.1',
    '::ffff:127.0.0.1',
    '::1%eth0',
    'fe80::1',
    'LOCALHOST',
  ])('is not %j, or not for sure: then a token is asked for', (address) => {
    expect(isLoopback(address)).toBe(false);
  });
});
