import type { AgentHealth, HealthReport } from '../remote-store.ts';
import { countBits } from './placement.ts';
import { type ClusterState, type Member, usable } from './state.ts';

export function healthOf(state: ClusterState, isRepairing: boolean): HealthReport {
  const { directory, members, replicas } = state;
  const up = usable(state).any;
  let dead = 0;
  for (const { isDead, bit } of members) if (isDead) dead |= bit;
  const count = { underReplicated: 0, unreachable: 0, lost: 0 };
  directory.forEach((row) => {
    const holders = directory.get('holders', row);
    const reachable = countBits(holders & up);
    if ((holders & ~dead) === 0) count.lost++;
    else if (reachable === 0) count.unreachable++;
    else if (reachable < replicas) count.underReplicated++;
  });
  return { objects: directory.size, replicas, ...count, isRepairing, agents: members.map(agentHealth) };
}

function agentHealth({ link, isDead, objects, bytes, lost, lies, lastError }: Member): AgentHealth {
  return {
    address: link.name,
    state: isDead ? 'dead' : link.state === 'up' ? 'connected' : 'connecting',
    isSuspect: link.isSuspect,
    objects,
    bytes,
    lost,
    wrongAnswers: lies,
    lastError: lastError?.message,
  };
}
