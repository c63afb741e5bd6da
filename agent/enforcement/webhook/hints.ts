import type { PolicyName } from '../../policy/verdict.ts';
import type { RungName } from '../ladder.ts';
import { type Alert, type Payload, readAlert } from './payload.ts';

/**
 * What one alert says. A hint, never a command: whoever reaches Alertmanager's API can make it say anything, so that it
 * only names what is to be judged again.
 */
export type Hint =
  | (HintSubject & { readonly kind: 'firing' })
  /** The alert is over, which does not mean that the container works: a vanished series resolves an alert, too. */
  | (HintSubject & { readonly kind: 'resolved'; readonly endsAtMs: number })
  /** Prometheus scrapes this host, evaluates our rules, and its Alertmanager reaches us. */
  | { readonly kind: 'watchdog' };

export interface HintSubject {
  readonly policy: PolicyName;
  readonly action: RungName;
  /** The first 12 digits of the id, or all 64; null: it is about a user's processes outside of containers. */
  readonly containerId: string | null;
  /** As the alert has it, which may be anything; null: it names none. */
  readonly user: string | null;
  /** When the rule began to fire, after its `for`: Unix milliseconds. Muting may have held it back for days. */
  readonly startsAtMs: number;
  /** A hash of the alert's labels, to recognise it by. */
  readonly fingerprint: string;
}

/** What became of an alert. */
export const alertResults = [
  'firing',
  'resolved',
  'watchdog',
  /** It is for another agent; one Alertmanager serves many. */
  'other-host',
  /** It says nothing of the host: its series did not come from an agent. */
  'no-host',
  /** No alert of our rules. */
  'not-ours',
  /** Rules of another version, or somebody's own. */
  'unknown-policy',
  'malformed',
] as const;
export type AlertResult = (typeof alertResults)[number];

/** What alerts are compared with. Plain data, for it goes to a thread of its own. */
export interface HintLookups {
  /** The name of this machine on every series. */
  readonly host: string;
  readonly policies: readonly PolicyName[];
  readonly actions: readonly RungName[];
}

export interface Hints {
  /** In the order of the payload. The same alert may come twice. */
  readonly hints: readonly Hint[];
  /** How many alerts came to what. */
  readonly counts: Readonly<Record<AlertResult, number>>;
}

/** The alert that always fires while an agent is scraped, `alerts/enforcement.yml`. */
const watchdogName = 'Watchdog';

/** Judges each alert by its own labels and its own status. */
export function hintsOf({ alerts }: Pick<Payload, 'alerts'>, lookups: HintLookups): Hints {
  const counts = noAlerts();
  const hints: Hint[] = [];
  for (const data of alerts) {
    const alert = readAlert(data);
    const hint = alert === null ? 'malformed' : hintOf(alert, lookups);
    if (typeof hint === 'string') {
      counts[hint] += 1;
      continue;
    }
    counts[hint.kind] += 1;
    hints.push(hint);
  }
  return { hints, counts };
}

function hintOf({ labels, ...alert }: Alert, lookups: HintLookups): Hint | AlertResult {
  const { host, container_id: containerId, user } = labels;
  const isWatchdog = labels.alertname === watchdogName;
  if (!isWatchdog && isNone(labels.gpuwarden_policy)) return 'not-ours';
  if (isNone(host)) return 'no-host';
  if (host !== lookups.host) return 'other-host';
  // That it is over is not news: then it does not come any more, which is what is listened for.
  if (isWatchdog) return alert.status === 'firing' ? { kind: 'watchdog' } : 'watchdog';
  const policy = lookups.policies.find((name) => name === labels.gpuwarden_policy);
  if (policy === undefined) return 'unknown-policy';
  const action = lookups.actions.find((name) => name === labels.gpuwarden_action);
  if (action === undefined || (isNone(containerId) && isNone(user))) return 'malformed';
  const subject: HintSubject = {
    policy,
    action,
    containerId: isNone(containerId) ? null : containerId,
    user: isNone(user) ? null : user,
    startsAtMs: alert.startsAt,
    fingerprint: alert.fingerprint,
  };
  return alert.status === 'firing'
    ? { kind: 'firing', ...subject }
    : { kind: 'resolved', ...subject, endsAtMs: alert.endsAt };
}

/** A label that is empty is none, in Prometheus as here. */
function isNone(label: string | undefined): label is undefined | '' {
  return label === undefined || label === '';
}

/** A count of nothing, to add to. */
export function noAlerts(): Record<AlertResult, number> {
  return {
    firing: 0,
    resolved: 0,
    watchdog: 0,
    'other-host': 0,
    'no-host': 0,
    'not-ours': 0,
    'unknown-policy': 0,
    malformed: 0,
  };
}
