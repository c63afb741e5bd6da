import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { gpu, gpuUuid } from './presets.ts';
import { writeScenario } from './scenario.ts';
import { figureText, mockFigureNames } from './scenario-figures.ts';
import { scenarioText } from './scenario-text.ts';

describe('a scenario', () => {
  it('has the figures that the library knows', () => {
    const header = readFileSync(new URL('nvml-mock/figures.h', import.meta.url), 'utf8');
    const known = [...header.matchAll(/^ {4}X\((\w+)\)/gm)].map(([, name]) => name);
    expect(known).toEqual([...mockFigureNames]);
  });

  it('becomes lines of words, a fault with a key of its own', () => {
    const text = scenarioText({
      devices: [{ uuid: 'GPU-a', name: 'A card of mine', figures: { temperatureCelsius: 41 } }],
      faults: [{ symbol: 'nvmlDeviceGetPowerUsage', uuid: gpuUuid(3), answer: 'hang' }],
    });
    const lines = text.split('\n');
    expect(lines[0]).toBe('nvml-mock 1');
    expect(lines).toContain('name A card of mine');
    expect(lines).toContain('figure temperatureCelsius 41');
    const key = 'nvmlDeviceGetPowerUsage/000000000003/hang';
    expect(lines).toContain(`fault ${key} nvmlDeviceGetPowerUsage ${gpuUuid(3)} hang 0 0`);
    expect(lines.slice(-2)).toEqual(['end', '']);
  });

  it('is in its place at once, and leaves nothing beside it', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'gw-scenario-'));
    try {
      const file = path.join(folder, 'scenario');
      for (const devices of [[], [gpu(0)]]) writeScenario(file, { devices });
      expect(readdirSync(folder)).toEqual(['scenario']);
      expect(readFileSync(file, 'utf8')).toBe(scenarioText({ devices: [gpu(0)] }));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it.each([
    ['a text of two lines', { devices: [gpu(0, { name: 'a\nend' })] }],
    ['a UUID with a space', { devices: [gpu(0, { uuid: 'GPU 1' })] }],
    ['a process without a number', { devices: [gpu(0, { processes: [{ pid: -1, memoryBytes: 0 }] })] }],
    ['a figure that is none', { devices: [gpu(0, { figures: { powerMilliwatts: Number.NaN } })] }],
  ])('is refused with %s', (_, scenario) => {
    expect(() => scenarioText(scenario)).toThrow(/for a scenario/);
  });
});

describe('a figure', () => {
  it.each([
    [5, '5'],
    [{ error: 3 }, 'error 3'],
    [{ steps: [[0, 50] as const, [2.5, 0] as const], everySeconds: 10 }, 'steps 10 2 0 50 2.5 0'],
  ])('%j is written %s', (figure, text) => {
    expect(figureText(figure)).toBe(text);
  });

  it('has its steps in the order of time, within the period', () => {
    const backwards = [[2, 1] as const, [1, 1] as const];
    expect(() => figureText({ steps: backwards })).toThrow(/order of time/);
    expect(() => figureText({ steps: [[10, 1]], everySeconds: 10 })).toThrow(/period/);
  });
});
