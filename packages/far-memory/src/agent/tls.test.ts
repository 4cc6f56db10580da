import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hasProgram } from '../../../../testing/components.ts';
import { temporaryFolder } from '../../../../testing/temporary-folder.ts';
import { connectAgents } from '../cluster/index.ts';
import { startAgentProcess } from '../testing/agent-process.case.ts';

const folder = temporaryFolder('tls');

/** A certificate for 127.0.0.1, made for this run. */
function makeCertificate(): { cert: string; key: string } {
  const paths = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
  const words = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=far -addext subjectAltName=IP:127.0.0.1 -keyout ${paths.key} -out ${paths.cert}`;
  expect(spawnSync('openssl', words.split(' ')).status).toBe(0);
  return paths;
}

describe.skipIf(!hasProgram('openssl'))('an agent with TLS', () => {
  it('serves other addresses with a certificate and a secret, and nobody without them', async () => {
    const { cert, key } = makeCertificate();
    const secretFile = join(folder, 'secret');
    writeFileSync(secretFile, 'sixteen bytes and some more\n');
    const agent = await startAgentProcess(
      '--listen',
      '0.0.0.0:0',
      '--tls-cert',
      cert,
      '--tls-key',
      key,
      '--secret-file',
      secretFile,
    );
    const port = agent.address.split(':').at(-1);
    const address = `tls://127.0.0.1:${port}?ca=${cert}&secret-file=${secretFile}`;
    const store = await connectAgents({ agents: [address], integrity: 'crc32', sync: 'auto' });
    const bytes = new Uint8Array(300_000).map((_, at) => at & 255);
    await Promise.all(Array.from({ length: 20 }, (_, id) => store.write(1, id, bytes)));
    const into = new Uint8Array(300_000);
    for (let id = 0; id < 20; id++) {
      into.fill(0);
      await store.read(1, id, into, 'demand');
      expect(Buffer.compare(into, bytes)).toBe(0);
    }
    into.fill(0);
    store.readSync?.(1, 3, into);
    expect(Buffer.compare(into, bytes)).toBe(0);
    await store.close();
    await expect(connectAgents({ agents: [`tls://127.0.0.1:${port}?secret-file=${secretFile}`] })).rejects.toThrow(
      /self.signed/,
    );
    await expect(connectAgents({ agents: [`tls://127.0.0.1:${port}?ca=${cert}`] })).rejects.toThrow(
      /wants a shared secret/,
    );
    await expect(connectAgents({ agents: [`tcp://127.0.0.1:${port}`], timeoutMilliseconds: 500 })).rejects.toThrow(
      /agent/,
    );
    await agent.kill();
  });
});
