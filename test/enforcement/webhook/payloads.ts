import type { AlertResult, HintLookups } from '../../../agent/enforcement/webhook/hints.ts';
import { policyNames } from '../../../agent/policy/verdict.ts';

/** What an agent of the tests compares alerts with. */
export const lookups: HintLookups = {
  host: 'gpu1',
  policies: policyNames,
  actions: ['notice-1', 'notice-2', 'final-notice', 'stop', 'remove', 'flag'],
};

export interface AlertOverrides {
  readonly status?: unknown;
  readonly labels?: Readonly<Record<string, unknown>>;
  readonly startsAt?: unknown;
  readonly endsAt?: unknown;
  readonly fingerprint?: unknown;
}

/** An alert as Alertmanager sends it: a container of alice that is idle and whose stop is due. A label of undefined is left out. */
export function alertOf({ labels, ...others }: AlertOverrides = {}): Readonly<Record<string, unknown>> {
  return {
    status: 'firing',
    labels: {
      alertname: 'GpuwardenContainerIdle',
      container: 'training',
      container_id: '0123456789ab',
      gpuwarden_action: 'stop',
      gpuwarden_policy: 'idle',
      host: 'gpu1',
      severity: 'info',
      user: 'alice',
      ...labels,
    },
    annotations: {
      description: 'It has not worked for 2d and may be idle for 48h.',
      summary: 'training of alice on gpu1 is idle: stop is due',
    },
    startsAt: '2026-03-01T12:00:00.123456789Z',
    endsAt: '0001-01-01T00:00:00Z',
    generatorURL: 'http://prometheus:9090/graph?g0.expr=up&g0.tab=1',
    fingerprint: 'c0ffee0123456789',
    ...others,
  };
}

export function watchdogOf(
  labels: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> {
  return {
    ...alertOf(),
    labels: {
      alertname: 'Watchdog',
      gpuwarden_policy: 'watchdog',
      host: 'gpu1',
      severity: 'none',
      ...labels,
    },
  };
}

/** A payload of Alertmanager 0.25 with these alerts, and what a newer one or a test puts in addition. */
export function payloadOf(
  alerts: readonly unknown[],
  more: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> {
  return {
    receiver: 'gpuwarden',
    status: 'firing',
    alerts,
    groupLabels: { alertname: 'GpuwardenContainerIdle' },
    commonLabels: {},
    commonAnnotations: {},
    externalURL: 'http://alertmanager:9093',
    version: '4',
    groupKey: '{}/{gpuwarden_policy=~".+"}:{alertname="GpuwardenContainerIdle"}',
    truncatedAlerts: 0,
    ...more,
  };
}

/** So many alerts, each about a container of its own. */
export function manyAlerts(count: number): readonly unknown[] {
  return Array.from({ length: count }, (_, index) =>
    alertOf({
      labels: { container_id: index.toString(16).padStart(12, '0') },
      fingerprint: index.toString(16).padStart(16, '0'),
    }),
  );
}

/** The counts that are not zero. */
export function countsOf(counts: Readonly<Record<AlertResult, number>>): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}
