import { describe, expect, it } from 'vitest';
import { createDescriptorBudget, parseOpenFilesLimit } from '../../agent/sources/fd-budget.ts';

describe('a descriptor budget', () => {
  it('gives what it has, keeps some for what matters, and takes back', () => {
    const budget = createDescriptorBudget(5);
    const low = [1, 2, 3, 4].map(() => budget.take('low'));
    expect(low).toEqual([true, true, true, false]);
    expect([budget.take('high'), budget.take('high'), budget.take('high')]).toEqual([true, true, false]);
    budget.give();
    expect(budget.used).toBe(4);
    expect(budget.take('high')).toBe(true);
  });

  it('is half of what this process may open', () => {
    const budget = createDescriptorBudget();
    for (let taken = 0; taken < 100; taken += 1) expect(budget.take('high')).toBe(true);
  });

  it('reads the soft limit', () => {
    expect(parseOpenFilesLimit(limits('1024'))).toBe(1024);
    expect(parseOpenFilesLimit(limits('unlimited'))).toBe(Number.POSITIVE_INFINITY);
    expect(parseOpenFilesLimit('')).toBeNull();
  });
});

function limits(soft: string): string {
  return `Limit  Soft Limit  Hard Limit  Units\nMax open files            ${soft}   4096     files\n`;
}
