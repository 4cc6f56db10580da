import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Agent, startAgent } from '../agent/index.ts';
import { FarObjectLostError, FarOperatorError } from '../errors.ts';
import { builtIns, doublesOf, loadOperators, type Operator, pack, runOperator, unpack } from '../operators/index.ts';
import { startAgentProcess } from '../testing/agent-process.case.ts';
import { type Cluster, connectAgents } from './index.ts';

let folder: string;
let agents: Agent[] = [];
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'strata-calls-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(async () => {
  await Promise.all(agents.map((agent) => agent.close()));
  agents = [];
});

async function agentsHere(count: number, operators: readonly Operator[] = []): Promise<readonly string[]> {
  agents = await Promise.all(
    Array.from({ length: count }, () => startAgent({ listen: '127.0.0.1:0', memoryBytes: 2 ** 25, operators })),
  );
  return agents.map(({ address }) => address);
}

// Small chunks: up to fifty of them, so that no agent is without any by chance.
const rowsPerObject = 4;
const stride = 2 ** 32;

/** Two columns in chunks of 4 rows, object ids column x 2^32 + chunk, so that the chunks of a row lie together. */
async function writeTable(
  store: Cluster,
  x: Float64Array,
  key: Int32Array,
): Promise<{ ids: Float64Array; objects: Uint8Array[]; relation: unknown }> {
  const chunks = Math.ceil(x.length / rowsPerObject);
  const objects: Uint8Array[] = [];
  const ids: number[] = [];
  for (const [column, values] of [x, key].entries())
    for (let chunk = 0; chunk < chunks; chunk++) {
      const part = values.slice(chunk * rowsPerObject, (chunk + 1) * rowsPerObject);
      objects.push(new Uint8Array(part.buffer));
      ids.push(column * stride + chunk);
    }
  await Promise.all(objects.map((bytes, at) => store.write(3, ids[at]!, bytes)));
  const columns = { x: { type: 'f64' }, key: { type: 'i32', first: chunks } };
  return { ids: Float64Array.from(ids), objects, relation: { rows: x.length, rowsPerObject, columns } };
}

const paramsOf = (name: string): Readonly<Record<string, unknown>> => {
  const aggregates = ['count', 'sum', 'mean', 'min', 'max', 'median'].map((op) => ({ op, column: 'x' }));
  if (name === 'groupRuns' || name === 'groupBy') return { key: 'key', aggregates };
  if (name === 'nth') return { column: 'x', n: 5 };
  if (name === 'histogram') return { column: 'x', min: -100, max: 100, bins: 9 };
  if (name === 'scan' || name === 'project') return {};
  if (name === 'filter') return { where: { column: 'key', op: '==', value: 1 } };
  return { column: 'x' };
};

describe.each([1, 2, 3])('operators over %i agents', (count) => {
  it('give the bytes that they give here, on random data', { timeout: 120_000 }, async () => {
    const store = await connectAgents({ agents: await agentsHere(count), replicas: count === 3 ? 2 : 1 });
    const row = fc.record({
      x: fc.double({ noDefaultInfinity: true }),
      key: fc.integer({ min: 0, max: 3 }),
      to: fc.nat(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(row, { maxLength: 200, size: 'max' }), async (rows) => {
        const x = Float64Array.from(rows, (values) => values.x);
        const key = Int32Array.from(rows, (values) => values.key);
        const { ids, objects, relation } = await writeTable(store, x, key);
        const indices = Float64Array.from(rows, ({ to }) => to % Math.max(1, rows.length));
        for (const operator of builtIns) {
          const argument = pack({ relation, ...paramsOf(operator.name) }, { indices });
          const remote = await store.call(operator.name, 1, 3, ids, argument);
          expect(Buffer.compare(remote, runOperator(operator, argument, objects))).toBe(0);
        }
      }),
      { numRuns: 12 },
    );
    expect(agents.every((agent) => agent.report().calls > 0)).toBe(true);
    await store.close();
  });
});

describe('a call', () => {
  const argumentOf = (relation: unknown) => pack({ relation, column: 'x' });

  it('works where the chunks of a row lie apart, by fetching them', async () => {
    const store = await connectAgents({ agents: await agentsHere(2) });
    const values = Float64Array.from({ length: 64 }, (_, at) => at);
    // Ids that agree in nothing: about half of the pairs are on two agents.
    const ids = Float64Array.from({ length: 8 }, (_, at) => at * 1000 + 1);
    for (const [at, id] of ids.entries())
      await store.write(1, id, new Uint8Array(values.slice((at % 4) * 16, (at % 4) * 16 + 16).buffer));
    const relation = { rows: 64, rowsPerObject: 16, columns: { x: { type: 'f64' }, y: { type: 'f64', first: 4 } } };
    const result = await store.call(
      'sum',
      1,
      1,
      ids,
      pack({ relation, column: 'y', where: { column: 'x', op: '<', value: 10 } }),
    );
    expect(doublesOf(unpack(result), 'sum')[0]).toBe(45);
    await store.close();
  });

  it('is about what was written last, even when that is still on its way', async () => {
    const store = await connectAgents({ agents: await agentsHere(2) });
    const { ids, relation } = await writeTable(store, new Float64Array(64).fill(1), new Int32Array(64));
    void store.write(3, 0, new Uint8Array(new Float64Array(4).fill(2).buffer));
    const result = await store.call('sum', 1, 3, ids, argumentOf(relation));
    expect(doublesOf(unpack(result), 'sum')[0]).toBe(68);
    await store.close();
  });

  it('goes to the other holder when an agent dies, and says what is lost when there is none', async () => {
    const addresses = await agentsHere(3);
    const safe = await connectAgents({ agents: addresses, replicas: 2 });
    const risky = await connectAgents({ agents: addresses });
    const x = Float64Array.from({ length: 500 }, (_, at) => at);
    const table = await writeTable(safe, x, new Int32Array(500));
    await writeTable(risky, x, new Int32Array(500));
    await agents[1]!.close();
    const result = await safe.call('sum', 1, 3, table.ids, argumentOf(table.relation));
    expect(doublesOf(unpack(result), 'sum')[0]).toBe(124_750);
    while (risky.stats().agents[1]!.state !== 'dead') await new Promise((resolve) => setTimeout(resolve, 20));
    await expect(risky.call('sum', 1, 3, table.ids, argumentOf(table.relation))).rejects.toBeInstanceOf(
      FarObjectLostError,
    );
    await safe.close();
    await risky.close();
  });

  it('gives results larger than a frame', async () => {
    const store = await connectAgents({ agents: await agentsHere(1) });
    const chunk = new Float64Array(131_072).fill(3);
    const ids = Float64Array.from({ length: 20 }, (_, at) => at);
    for (const id of ids) await store.write(1, id, new Uint8Array(chunk.buffer));
    const relation = { rows: 20 * chunk.length, rowsPerObject: chunk.length, columns: { x: { type: 'f64' } } };
    const result = doublesOf(unpack(await store.call('scan', 1, 1, ids, pack({ relation }))), 'x');
    expect(result.length).toBe(20 * chunk.length);
    expect(result.at(-1)).toBe(3);
    await store.close();
  });

  it('refuses unknown operators, bad arguments and operators that throw, with one kind of error', async () => {
    const broken: Operator = { ...builtIns[0]!, name: 'broken', start: () => JSON.parse('{') };
    const store = await connectAgents({ agents: await agentsHere(1, [broken]), operators: [broken] });
    const { ids, relation } = await writeTable(store, new Float64Array(16), new Int32Array(16));
    for (const call of [
      store.call('avg', 1, 3, ids, argumentOf(relation)),
      store.call('sum', 1, 3, ids, pack({ relation, column: 'z' })),
      store.call('broken', 1, 3, ids, argumentOf(relation)),
    ])
      await expect(call).rejects.toBeInstanceOf(FarOperatorError);
    await store.close();
  });
});

describe('operators of a module', () => {
  it('run on an agent that was started with it, and on no other', { timeout: 60_000 }, async () => {
    const file = join(folder, 'operators.mjs');
    writeFileSync(
      file,
      `const add = (parts) => parts.reduce((sum, part) => sum + part[0], 0) & 255;
       export const operators = [{
         name: 'xor', version: 3,
         plan: (argument, objects) => ({ units: objects, objectsPerUnit: 1, objectAt: (unit) => unit }),
         start: () => { let all = 0; return { add: (unit, [bytes]) => { for (const byte of bytes) all ^= byte; }, finish: () => Uint8Array.of(all) }; },
         combine: (partials) => Uint8Array.of(partials.reduce((all, [byte]) => all ^ byte, 0)),
       }];`,
    );
    const operators = await loadOperators(file);
    const agent = await startAgentProcess('--operators', file);
    const store = await connectAgents({ agents: [agent.address], operators });
    await store.write(1, 1, Uint8Array.of(1, 2));
    await store.write(1, 2, Uint8Array.of(12));
    expect([...(await store.call('xor', 3, 1, Float64Array.of(1, 2), new Uint8Array(0)))]).toEqual([15]);
    await store.close();
    await agent.kill();
    const without = await connectAgents({ agents: await agentsHere(1), operators });
    await without.write(1, 1, Uint8Array.of(1));
    await expect(without.call('xor', 3, 1, Float64Array.of(1), new Uint8Array(0))).rejects.toThrow(/no operator xor/);
    await without.close();
  });

  it('are refused with a sentence when the module has none', async () => {
    const file = join(folder, 'empty.mjs');
    writeFileSync(file, 'export const operators = [{ name: 1 }];');
    await expect(loadOperators(file)).rejects.toThrow(/expected an export `operators`/);
    await expect(loadOperators(join(folder, 'absent.mjs'))).rejects.toThrow(/cannot be loaded/);
  });
});
