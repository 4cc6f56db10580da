import { describe, expect, it } from 'vitest';
import { connectAgents } from '../cluster/index.ts';
import { startAgentProcess } from '../testing/agent-process.case.ts';
import { createPatientClock } from './patient-clock.ts';

describe('the clock of time-outs', () => {
  it('runs as the wall clock does while it is ticked, and counts a held loop as one step', () => {
    let wall = 1000;
    const clock = createPatientClock(50, () => wall);
    for (let tick = 0; tick < 10; tick++) {
      wall += 20;
      expect(clock.now()).toBe((tick + 1) * 20);
      clock.tick();
    }
    wall += 5000;
    expect(clock.now()).toBe(250);
    clock.tick();
    wall += 10;
    expect(clock.now()).toBe(260);
  });

  it('does not blame an agent for the time in which the program held the event loop', { timeout: 60_000 }, async () => {
    const agent = await startAgentProcess();
    const store = await connectAgents({ agents: [agent.address], timeoutMilliseconds: 600 });
    try {
      await store.write(1, 1, new Uint8Array(100).fill(7));
      const into = new Uint8Array(100);
      const reading = store.read(1, 1, into, 'demand');
      // The request leaves in this turn; its answer waits unread while the loop is held.
      await Promise.resolve();
      await new Promise<void>((resolve) => process.nextTick(resolve));
      const until = performance.now() + 2500;
      while (performance.now() < until);
      await reading;
      expect(into.every((byte) => byte === 7)).toBe(true);
    } finally {
      await store.close();
      await agent.kill();
    }
  });
});
