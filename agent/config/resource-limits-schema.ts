import * as z from 'zod';
import { parseUserName } from './ids.ts';
import { type LimitKey, limitKeys } from './limit-keys.ts';
import { containerTypes } from './limits-model.ts';
import { parseDuration } from './units.ts';

/** A limit: null for none, otherwise what its own parser reads. */
function limitValue({ parse, help, example }: LimitKey) {
  return quantity(parse, `${help}; null: no limit. Example: ${example}`).nullable().optional();
}

function quantity(parse: LimitKey['parse'], description: string) {
  return z
    .union([z.string(), z.number()], { error: () => expectedOf(parse) })
    .transform((input, context) => {
      const parsed = parse(input);
      if (parsed.kind === 'ok') return parsed.value;
      context.addIssue({ code: 'custom', message: `expected ${parsed.expected}` });
      return z.NEVER;
    })
    .describe(description);
}

/** What a parser expects, as it says of something that nobody can read. */
function expectedOf(parse: LimitKey['parse']): string {
  const parsed = parse(undefined);
  return parsed.kind === 'error' ? `expected ${parsed.expected}` : 'cannot be read';
}

const limits = Object.fromEntries(limitKeys.map((one) => [one.key, limitValue(one)] as const));
const lifetimeKeys: readonly string[] = [
  'idle_timeout',
  'max_runtime',
  'startup_grace',
  'stop_grace',
  'gpu_hold_after_stop',
  'remove_after_stop',
];
const lifetimes = Object.fromEntries(
  limitKeys.filter(({ key }) => lifetimeKeys.includes(key)).map((one) => [one.key, limitValue(one)] as const),
);

/** A login name in a list. Student numbers are names, but without quotes YAML makes numbers of them and drops zeros. */
const Member = z
  .string({ error: 'expected a login name; one of digits only stands in quotes: "0123456"' })
  .refine((text) => parseUserName(text) !== null, {
    error: ({ input }) => `${JSON.stringify(String(input).slice(0, 80))} cannot be a login name`,
  });

const threshold = (description: string) => z.number().nonnegative().optional().describe(description);
const Policies = z.strictObject({
  gpu_idle_threshold: threshold('GPU utilisation in percent below which a slot is idle'),
  cpu_idle_threshold: threshold('CPU use in percent of one core below which a slot is idle'),
  network_idle_threshold: threshold('bytes of traffic below which a slot is idle'),
  block_idle_threshold: threshold('bytes read and written on disks below which a slot is idle'),
  idle_signals: z
    .array(z.enum(['gpu', 'cpu', 'network', 'block', 'presence']))
    .optional()
    .describe('what counts as work; everything where it is left out'),
  idle_applies_to: z
    .enum(['gpu', 'all'])
    .optional()
    .describe('whether idleness counts for containers with a GPU only (the default), or for all'),
  idle_detection_window: threshold('idle checks in a row'),
  high_demand_threshold: threshold('share of allocated GPUs, 0 to 1, from which demand is high'),
  high_demand_idle_reduction: threshold('factor on the idle timeout while demand is high'),
  keepalive_max_duration: quantity(parseDuration, 'the longest keep. Example: 24h').optional(),
  may_protect: z
    .array(Member)
    .optional()
    .describe('whose own containers a label gpuwarden.protected=true, or infrastructure, really protects'),
  ownerless_stops: z
    .array(z.enum(['idle', 'max-runtime', 'unmanaged']))
    .optional()
    .describe('which policies may stop a container whose owner nobody knows; none where it is left out'),
  gpu_unused_timeout: quantity(
    parseDuration,
    'how long memory of a GPU may be held without any work on it before that is flagged; 4h where it is left out',
  ).optional(),
  unmanaged_action: z
    .enum(['flag', 'stop'])
    .optional()
    .describe('what follows for unmanaged containers; flag where it is left out'),
  unmanaged_grace: quantity(
    parseDuration,
    'how long an unmanaged container may run, where such are stopped; 24h where it is left out',
  ).optional(),
  bare_metal_grace: quantity(
    parseDuration,
    'how long a process outside containers may use a GPU before it is flagged; 10m where it is left out',
  ).optional(),
  bare_metal_exempt_users: z.array(Member).optional().describe('who may use GPUs outside containers'),
  bare_metal_exempt_commands: z
    .array(z.string().min(1))
    .optional()
    .describe('programs that may use GPUs outside containers, besides those of the driver and the desktop'),
});

/** A day, as an admin writes it. */
const Day = z.iso.date({ error: 'expected a day such as 2027-01-31' });

/** Why an exemption is there, which every one must say, is asked for when it is understood. */
const exemption = {
  reason: z.string().nullish().describe('why; must be there'),
  expires: Day.optional().describe('the last day on which the exemption holds'),
};
const text = z.string().min(1);
const Exemptions = z.strictObject({
  users: z
    .record(z.string(), z.strictObject(exemption).nullable())
    .nullish()
    .describe('users whose containers and processes no policy touches'),
  containers: z
    .record(
      z.string(),
      z
        .strictObject({
          ...exemption,
          user: Member.optional().describe('whose it must be; needed where the container is named'),
        })
        .nullable(),
    )
    .nullish()
    .describe('containers that no policy touches, by id (at least 12 digits) or by name'),
  infrastructure: z
    .strictObject({
      names: z.array(text).nullish().describe('names of containers'),
      images: z.array(text).nullish().describe('images; any tag where none is written'),
      labels: z
        .array(
          z.string().regex(/^[^=\s]+(?:=.*)?$/s, { error: 'expected a label such as ds01.monitoring=true' }),
        )
        .nullish()
        .describe('labels: NAME or NAME=VALUE'),
    })
    .nullish()
    .describe('containers that run the machine and belong to nobody, or to somebody in may_protect'),
});

/** `resource-limits.yaml`: who may have what. */
export const ResourceLimitsFile = z.strictObject({
  defaults: z.strictObject(limits).nullish().describe('what holds for everybody'),
  groups: z
    .record(
      z.string(),
      z
        .strictObject({
          ...limits,
          members: z.array(Member).nullish().describe('login names'),
          members_file: z
            .string()
            .min(1)
            .optional()
            .describe('a file beside this one, one login name a line'),
          policies: Policies.nullish(),
        })
        .nullable(),
    )
    .nullish()
    .describe('what holds for the members of a group'),
  default_group: z.string().optional().describe('the group of everybody who is in none'),
  user_overrides: z
    .record(
      z.string(),
      z
        .strictObject({
          ...limits,
          reason: z.string().optional(),
          approved_by: z.string().optional(),
          expires: Day.optional().describe('the last day on which the override holds'),
          policies: Policies.nullish(),
        })
        .nullable(),
    )
    .nullish()
    .describe('exceptions for single users'),
  policies: Policies.nullish(),
  exemptions: Exemptions.nullish().describe('who and what the policies leave alone, and why'),
  container_types: z
    .strictObject(
      Object.fromEntries(containerTypes.map((type) => [type, z.strictObject(lifetimes).nullish()])),
    )
    .nullish()
    .describe('lifetimes of kinds of container'),
});
export type ResourceLimitsFile = z.output<typeof ResourceLimitsFile>;

/** The keys that may stand in a section, for suggestions. */
export function knownKeys(path: readonly PropertyKey[]): readonly string[] {
  const [section] = path;
  const all = limitKeys.map(({ key }) => key);
  if (path.length === 0) return Object.keys(ResourceLimitsFile.shape);
  if (section === 'exemptions') return keysOfExemptions(path);
  if (path.includes('policies')) return Object.keys(Policies.shape);
  if (section === 'container_types') return path.length === 1 ? containerTypes : lifetimeKeys;
  if (section === 'groups') return [...all, 'members', 'members_file', 'policies'];
  return section === 'user_overrides' ? [...all, 'reason', 'approved_by', 'expires', 'policies'] : all;
}

function keysOfExemptions([, section]: readonly PropertyKey[]): readonly string[] {
  if (section === undefined) return Object.keys(Exemptions.shape);
  if (section === 'infrastructure') return ['names', 'images', 'labels'];
  return section === 'containers' ? ['reason', 'expires', 'user'] : ['reason', 'expires'];
}
