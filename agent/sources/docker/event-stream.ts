import { StringDecoder } from 'node:string_decoder';
import * as z from 'zod';
import { type ContainerId, parseContainerId } from '../../config/ids.ts';

/** A container event, reduced to what is acted on: which container to look at again, or that it is gone. */
export interface ContainerEvent {
  readonly id: ContainerId;
  readonly action: string;
}

const Event = z.object({ Action: z.string(), Actor: z.object({ ID: z.string() }) });
/** Labels travel in the event's attributes; Docker itself takes labels of any length. */
const longestLine = 16 * 1024 * 1024;

/** The stream holds something that is not Docker's event format; the connection is of no use any more. */
export class EventStreamError extends Error {
  readonly code = 'GPUWARDEN_DOCKER_EVENTS';
}

/**
 * Reads Docker's event stream: one JSON object a line, cut anywhere by the network.
 *
 * @throws EventStreamError for a line that is no JSON event or has no end
 */
export async function* readContainerEvents(
  stream: AsyncIterable<string | Buffer>,
): AsyncGenerator<ContainerEvent> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  for await (const chunk of stream) {
    const lines = (rest + (typeof chunk === 'string' ? chunk : decoder.write(chunk))).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > longestLine)
      throw new EventStreamError(`an event of Docker is longer than ${longestLine} bytes`);
    for (const line of lines) {
      const event = line.trim() === '' ? null : readEvent(line);
      if (event !== null) yield event;
    }
  }
}

function readEvent(line: string): ContainerEvent | null {
  let parsed: z.infer<typeof Event>;
  try {
    parsed = Event.parse(JSON.parse(line));
  } catch (cause) {
    throw new EventStreamError(`not an event of Docker: ${line.slice(0, 120)}`, { cause });
  }
  const id = parseContainerId(parsed.Actor.ID);
  return id === null ? null : { id, action: parsed.Action };
}
