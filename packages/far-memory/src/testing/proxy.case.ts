import { connect, createServer, type Socket } from 'node:net';
import { parseAddress } from '../protocol/address.ts';
import { createFrameSplitter, encodeFrame, type Frame, maxFrameBytes } from '../protocol/frames.ts';

/** What stands between a client and an agent in the tests. */
export interface AgentProxy {
  readonly address: string;
  /** `hold`: nothing passes either way, and nobody is told; a number: answers come so many ms late. */
  mode: 'pass' | 'hold' | number;
  /** Changes each answer of the agent; undefined leaves it out. */
  lie: ((frame: Frame) => Uint8Array | undefined) | undefined;
  /** Ends all connections that are open. */
  cut(): void;
  close(): void;
}

export async function startProxy(agent: string): Promise<AgentProxy> {
  const target = parseAddress(agent);
  if (target.kind !== 'tcp') throw new Error('the proxy speaks TCP');
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(target.port, target.host);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    const answer = (bytes: Uint8Array) => {
      if (proxy.mode === 'hold') return;
      if (typeof proxy.mode === 'number') setTimeout(() => client.writable && client.write(bytes), proxy.mode);
      else client.write(bytes);
    };
    const splitter = createFrameSplitter(
      () => maxFrameBytes,
      (frame) => {
        const bytes = proxy.lie ? proxy.lie(frame) : whole(frame);
        if (bytes) answer(bytes);
      },
    );
    client.on('data', (chunk) => {
      if (proxy.mode !== 'hold') upstream.write(chunk);
    });
    upstream.on('data', (chunk) => splitter.push(chunk));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  const proxy: AgentProxy = {
    address: `tcp://127.0.0.1:${typeof bound === 'object' ? bound?.port : 0}`,
    mode: 'pass',
    lie: undefined,
    cut() {
      for (const socket of sockets) socket.destroy();
    },
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
  return proxy;
}

export function whole({ requestId, op, flags, body }: Frame): Buffer {
  return encodeFrame(requestId, op, flags, Uint8Array.from(body));
}
