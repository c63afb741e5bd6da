import { type HintLookups, type Hints, hintsOf } from './hints.ts';
import { type Payload, mostAlerts, readPayload } from './payload.ts';

/** What one request of Alertmanager brought. */
export interface Delivery extends Hints {
  readonly receiver: string | null;
  readonly truncatedAlerts: number;
}

/** One that has come in. */
export interface ReceivedDelivery extends Delivery {
  /** Unix milliseconds. */
  readonly receivedAtMs: number;
  readonly remoteAddress: string;
  /** Of the body as it came, in hexadecimal digits: the same one may come again. */
  readonly bodySha256: string;
}

export type DeliveryReading =
  | { readonly kind: 'delivery'; readonly delivery: Delivery }
  | { readonly kind: 'malformed'; readonly why: string }
  /** More than any Alertmanager has to say. */
  | { readonly kind: 'too-big'; readonly why: string };

/** 10,000 alerts of 3 KiB each; theirs are about 1.3 KiB. */
export const mostBytes = 32 * 1024 * 1024;

/**
 * How many objects and lists there may be; an alert is three. Parsed, an empty one takes twenty times the room of its
 * two bytes, so that 32 MiB of them would take a gigabyte.
 */
const mostNodes = 500_000;

/** Reads a whole body. Takes as long as it takes: 10,000 alerts some 100 ms. */
export function readDelivery(body: Uint8Array, lookups: HintLookups): DeliveryReading {
  if (countNodes(body) > mostNodes)
    return { kind: 'too-big', why: `there are more than ${mostNodes} objects and lists in it` };
  const reading = readPayload(textOf(body));
  switch (reading.kind) {
    case 'payload':
      return { kind: 'delivery', delivery: deliveryOf(reading.payload, lookups) };
    case 'too-many':
      return { kind: 'too-big', why: `there are ${reading.alerts} alerts in it, more than ${mostAlerts}` };
    case 'malformed':
      return reading;
  }
}

/**
 * Reads a small body, unless that may take long all the same: null, where it holds more than so many alerts. Even an
 * alert of two bytes takes some microseconds to be refused.
 */
export function readSmallDelivery(
  body: Uint8Array,
  lookups: HintLookups,
  mostSmallAlerts: number,
): DeliveryReading | null {
  const reading = readPayload(textOf(body));
  if (reading.kind === 'malformed') return reading;
  if (reading.kind === 'too-many' || reading.payload.alerts.length > mostSmallAlerts) return null;
  return { kind: 'delivery', delivery: deliveryOf(reading.payload, lookups) };
}

function deliveryOf(payload: Payload, lookups: HintLookups): Delivery {
  const { receiver, truncatedAlerts } = payload;
  return { receiver, truncatedAlerts, ...hintsOf(payload, lookups) };
}

function textOf(body: Uint8Array): string {
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
}

/** Every opening bracket, also those within strings, of which a payload has few. */
function countNodes(body: Uint8Array): number {
  const [list, object] = [0x5b, 0x7b];
  let nodes = 0;
  for (const byte of body) if (byte === list || byte === object) nodes += 1;
  return nodes;
}
