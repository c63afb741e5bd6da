import * as z from 'zod';

/**
 * What Alertmanager posts, version 4: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config.
 * What is used is read strictly; the rest, which differs from version to version (`notification_reason`, `routeLabels`)
 * and is for people (annotations), is left out. `commonLabels` are left out on purpose: they are what all alerts of the
 * group have in common, and a label in which two of them differ is missing there.
 */
export interface Payload {
  /** Which receiver of Alertmanager's configuration it came through; quoted as a regular expression by Alertmanager. */
  readonly receiver: string | null;
  /** How many alerts `max_alerts` held back. They never come. */
  readonly truncatedAlerts: number;
  /** Still to be read one by one: one that cannot be read must not take the others with it. */
  readonly alerts: readonly unknown[];
}

export type PayloadReading =
  | { readonly kind: 'payload'; readonly payload: Payload }
  | { readonly kind: 'malformed'; readonly why: string }
  | { readonly kind: 'too-many'; readonly alerts: number };

/** More alerts than a lab has containers, devices and users, many times over. */
export const mostAlerts = 10_000;

const Envelope = z.object({
  version: z.literal('4', 'expected "4": this reads the webhook format of Alertmanager 0.15 and newer'),
  receiver: z.string().max(1024).nullish(),
  truncatedAlerts: z.int().min(0).nullish(),
  alerts: z.array(z.unknown()),
});

/** Reads the body of a delivery, but for its single alerts. */
export function readPayload(text: string): PayloadReading {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (error) {
    return { kind: 'malformed', why: `not JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
  const read = Envelope.safeParse(data);
  if (!read.success) return { kind: 'malformed', why: z.prettifyError(read.error) };
  const { receiver, truncatedAlerts, alerts } = read.data;
  if (alerts.length > mostAlerts) return { kind: 'too-many', alerts: alerts.length };
  const payload = { receiver: receiver ?? null, truncatedAlerts: truncatedAlerts ?? 0, alerts };
  return { kind: 'payload', payload };
}

// oxlint-disable-next-line no-control-regex -- control characters are what is refused here
const controlCharacters = /[\u0000-\u001f\u007f]/;

function labelValue(most: number) {
  return z
    .string()
    .max(most)
    .refine((text) => !controlCharacters.test(text) && text.isWellFormed());
}

/** RFC 3339 as Go writes it: up to nine digits of a second, and any offset. */
const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;
const instantMs = z
  .string()
  .max(40)
  .regex(rfc3339)
  .transform((text, context) => {
    const ms = Date.parse(text);
    if (!Number.isNaN(ms)) return ms;
    context.addIssue({ code: 'custom', message: 'expected a date that there is' });
    return z.NEVER;
  });

/** One alert. An empty label is as good as none, in Prometheus as here. */
const Alert = z.object({
  status: z.enum(['firing', 'resolved']),
  labels: z.object({
    alertname: z.string().max(1024).optional(),
    host: labelValue(256).optional(),
    gpuwarden_policy: labelValue(64).optional(),
    gpuwarden_action: labelValue(64).optional(),
    /** The first 12 digits, as on every series, or all 64. */
    container_id: z
      .string()
      .regex(/^(?:[0-9a-f]{12}|[0-9a-f]{64})?$/)
      .optional(),
    user: labelValue(256).optional(),
  }),
  /** When the rule began to fire, after its `for`. */
  startsAt: instantMs,
  /** Of an alert that fires: the year 1, which says nothing. */
  endsAt: instantMs,
  /** A hash of the labels: another action is another alert. */
  fingerprint: z
    .string()
    .min(1)
    .max(64)
    .regex(/^[\w-]+$/),
});
export type Alert = z.output<typeof Alert>;

/** Reads one alert; null where it is not one. */
export function readAlert(data: unknown): Alert | null {
  const read = Alert.safeParse(data);
  return read.success ? read.data : null;
}
