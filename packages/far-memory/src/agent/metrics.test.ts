import { describe, expect, it } from 'vitest';
import { connectAgents } from '../cluster/index.ts';
import { startAgent } from './index.ts';

interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly unit: string | undefined;
  readonly samples: ReadonlyMap<string, number>;
}

/** OpenMetrics 1.0 text, strictly: metadata once and before its samples, units as suffixes, counters as _total, the end marked. */
function parseOpenMetrics(text: string): readonly Family[] {
  if (!text.endsWith('# EOF\n')) throw new Error('the end is not marked');
  const families: {
    name: string;
    type: string;
    help: string;
    unit: string | undefined;
    samples: Map<string, number>;
  }[] = [];
  for (const line of text.slice(0, -'# EOF\n'.length).split('\n').slice(0, -1)) {
    const meta = /^# (TYPE|UNIT|HELP) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line);
    const family = families.at(-1);
    if (meta) {
      const [, kind, name, value] = meta;
      if (kind === 'TYPE') {
        if (!['counter', 'gauge', 'info'].includes(value!)) throw new Error(`type ${value}`);
        if (families.some((known) => known.name === name)) throw new Error(`${name} twice`);
        families.push({ name: name!, type: value!, help: '', unit: undefined, samples: new Map() });
      } else if (family?.name !== name || family!.samples.size > 0) throw new Error(`${line}: not with its family`);
      else if (kind === 'UNIT') {
        if (!name!.endsWith(`_${value}`)) throw new Error(`${name} does not end in its unit ${value}`);
        family!.unit = value;
      } else family!.help = value!;
      continue;
    }
    const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[a-z]+="[^"\\\n]*"\})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/.exec(line);
    if (!sample || !family) throw new Error(`not a sample: ${line}`);
    const suffix = { counter: '_total', info: '_info', gauge: '' }[family.type];
    if (sample[1] !== `${family.name}${suffix}`) throw new Error(`${sample[1]} in the family ${family.name}`);
    if (family.samples.has(sample[1]!)) throw new Error(`${sample[1]} twice`);
    family.samples.set(sample[1]!, Number(sample[3]));
  }
  return families;
}

describe('the metrics of an agent', () => {
  it('are OpenMetrics, and count what happened', async () => {
    const agent = await startAgent({ listen: '127.0.0.1:0', memoryBytes: 2 ** 22, metrics: '127.0.0.1:0' });
    const store = await connectAgents({ agents: [agent.address] });
    await store.write(1, 1, new Uint8Array(1000));
    await store.read(1, 1, new Uint8Array(1000), 'demand');
    const response = await fetch(agent.metricsAddress!);
    expect(response.headers.get('content-type')).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    const families = parseOpenMetrics(await response.text());
    const sampleOf = (name: string) =>
      families.flatMap(({ samples }) => [...samples]).find(([known]) => known === name)?.[1];
    expect(families.length).toBeGreaterThan(20);
    for (const { help } of families) expect(help).toMatch(/\.$/);
    expect(sampleOf('strata_far_agent_writes_total')).toBe(1);
    expect(sampleOf('strata_far_agent_written_bytes_total')).toBe(1000);
    expect(sampleOf('strata_far_agent_read_bytes_total')).toBe(1000);
    expect(sampleOf('strata_far_agent_objects')).toBe(1);
    expect((await fetch(agent.metricsAddress!.replace('/metrics', '/'))).status).toBe(404);
    await store.close();
    await agent.close();
  });

  it('are served on this machine only', async () => {
    await expect(startAgent({ listen: '127.0.0.1:0', memoryBytes: 2 ** 22, metrics: '0.0.0.0:0' })).rejects.toThrow(
      /on this machine only/,
    );
  });
});
