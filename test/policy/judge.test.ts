import { describe, expect, test } from 'vitest';
import { accessLost } from '../../agent/policy/access-lost.ts';
import { bareMetal } from '../../agent/policy/bare-metal.ts';
import { gpuHog } from '../../agent/policy/gpu-hog.ts';
import { idle } from '../../agent/policy/idle.ts';
import { judgeContainer, judgeUser } from '../../agent/policy/judge.ts';
import type { Protection } from '../../agent/policy/protection.ts';
import { stale } from '../../agent/policy/stale.ts';
import { unmanaged } from '../../agent/policy/unmanaged.ts';
import { validLimits } from '../config/reading.ts';
import { userOf } from '../lab/records.ts';
import { type Situation, bareMetalUse, caseOf, gpusOf, hourMs, nowMs, useOf, userCase } from './cases.ts';

const ofNobody: Situation = { container: { labels: {} }, circumstances: { processUids: [] } };

describe('what is protected', () => {
  const kept: Protection = {
    kind: 'protected',
    by: 'keep',
    from: 'actions',
    reason: 'its owner keeps it for now: paper',
    evidence: [],
  };
  const exempt: Protection = { ...kept, by: 'exempt-user', from: 'everything' };
  const none: Protection = { kind: 'none', asksForKeep: true };

  test('is not stopped and not removed', () => {
    const late = caseOf({ yaml: 'defaults: {idle_timeout: 1h, remove_after_stop: 1h}' });
    const ended = caseOf({
      yaml: 'defaults: {remove_after_stop: 1h}',
      container: { state: 'exited', labels: { 'gpuwarden.user': 'alice' } },
      record: { finishedAtMs: nowMs - 9 * hourMs },
    });
    for (const protection of [kept, exempt]) {
      expect(judgeContainer(idle, late, protection)).toMatchObject({
        state: 'exempt',
        reason: protection.reason,
      });
      expect(judgeContainer(stale, ended, protection).state).toBe('exempt');
    }
    expect(judgeContainer(idle, late, none)).toMatchObject({ state: 'running', action: 'stop' });
    expect(judgeContainer(stale, ended, none)).toMatchObject({ state: 'running', action: 'remove' });
  });

  test('still shows what would be held against it', () => {
    const verdict = judgeContainer(idle, caseOf(), kept);
    expect(verdict.evidence.map(({ what }) => what)).toContain('idle timeout');
  });

  test('is still told of by an owner’s keep, and no longer by an exemption', () => {
    const notGiven = caseOf({ gpus: gpusOf([useOf(0)], { allocated: new Set() }) });
    expect(judgeContainer(gpuHog, notGiven, kept).state).toBe('running');
    expect(judgeContainer(gpuHog, notGiven, exempt).state).toBe('exempt');
  });

  test('learns all the same that its GPU is lost', () => {
    const lost = caseOf({ gpus: gpusOf([useOf(0)], { access: 'lost' }) });
    for (const protection of [kept, exempt])
      expect(judgeContainer(accessLost, lost, protection).state).toBe('running');
  });

  test('does not become so by an answer that is unknown or clear', () => {
    expect(judgeContainer(idle, caseOf({ activity: null }), exempt).state).toBe('unknown');
    expect(judgeContainer(idle, caseOf({ container: { state: 'exited' } }), exempt).state).toBe('clear');
  });
});

describe('a container of nobody', () => {
  const none: Protection = { kind: 'none', asksForKeep: false };
  const judge = (yaml: string, more: Situation = {}) =>
    judgeContainer(idle, caseOf({ ...ofNobody, yaml, ...more }), none);

  test('is reported and not stopped', () => {
    expect(judge('defaults: {idle_timeout: 1h}')).toMatchObject({ state: 'running', action: 'flag' });
  });

  test('is stopped only by the policies that the lab names', () => {
    expect(judge('policies: {ownerless_stops: [idle]}')).toMatchObject({ action: 'stop' });
    expect(judge('policies: {ownerless_stops: [max-runtime, unmanaged]}')).toMatchObject({ action: 'flag' });
    const yaml = (more: string) => `policies: {unmanaged_action: stop${more}}`;
    const unmanagedIn = (text: string) =>
      judgeContainer(unmanaged, caseOf({ ...ofNobody, yaml: text }), none);
    expect(unmanagedIn(yaml(''))).toMatchObject({ action: 'flag' });
    expect(unmanagedIn(yaml(', ownerless_stops: [unmanaged]'))).toMatchObject({ action: 'stop' });
  });
});

test('an exempt user is left alone outside containers too', () => {
  const subject = userCase('', {
    bareMetal: [bareMetalUse(0)],
    processes: [{ uuid: useOf(0).uuid, command: '/home/bob/train', sinceMs: nowMs - hourMs }],
  });
  const { exemptions } = validLimits('exemptions: {users: {bob: {reason: tests drivers}}}');
  expect(judgeUser(bareMetal, subject, exemptions)).toMatchObject({
    state: 'exempt',
    reason: 'bob is exempt: tests drivers',
  });
  expect(judgeUser(bareMetal, { ...subject, user: userOf('carol') }, exemptions).state).toBe('running');
});
