import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { ListenError, listenOn } from '../../agent/http/listen.ts';
import { type Served, serve } from './servers.ts';

let served: Served | null = null;
afterEach(() => served?.app.close());

async function refusal(where: Parameters<typeof listenOn>[1]): Promise<unknown> {
  served = serve();
  try {
    await listenOn(served.app, where);
  } catch (error) {
    return error;
  }
  return null;
}

describe('an address that cannot be listened on', () => {
  it('is named, with who may hold it and how to take another', async () => {
    const other = createServer();
    other.listen(0, '127.0.0.1');
    await once(other, 'listening');
    const address = other.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    try {
      const error = await refusal({ host: '127.0.0.1', port });
      expect(error).toBeInstanceOf(ListenError);
      expect(error).toMatchObject({
        code: 'GPUWARDEN_LISTEN',
        message: expect.stringContaining(`cannot listen on 127.0.0.1:${port}: it is in use`),
        cause: { code: 'EADDRINUSE' },
      });
    } finally {
      other.close();
    }
  });

  it('that this machine does not have is named as such', async () => {
    // 192.0.2.0/24 is for documentation, RFC 5737: nobody has it.
    expect(await refusal({ host: '192.0.2.1', port: 0 })).toMatchObject({
      message: expect.stringContaining('this machine has no such address'),
    });
  });

  it('of a socket in a folder that is not there is named', async () => {
    expect(await refusal({ path: '/nonexistent/gpuwarden.sock' })).toMatchObject({
      code: 'GPUWARDEN_LISTEN',
      message: expect.stringContaining('/nonexistent/gpuwarden.sock'),
    });
  });

  it('does not fail where it can', async () => {
    expect(await refusal({ host: '127.0.0.1', port: 0 })).toBeNull();
  });
});
