import { countBits } from './placement.ts';
import { type ClusterState, type Member, usable } from './state.ts';

/** What the store holds and how safely, counted by going through all objects. */
export interface HealthReport {
  readonly objects: number;
  readonly replicas: number;
  /** Objects with at least one holder that can be reached, but fewer than `replicas`. */
  readonly underReplicated: number;
  /** Objects whose holders are all out of reach for now. */
  readonly unreachable: number;
  /** Objects whose holders are all dead, or have forgotten them. */
  readonly lost: number;
  readonly isRepairing: boolean;
  readonly agents: readonly AgentHealth[];
}

export interface AgentHealth {
  readonly address: string;
  readonly state: 'connected' | 'connecting' | 'dead';
  /** Whether its last requests went unanswered. */
  readonly isSuspect: boolean;
  readonly objects: number;
  readonly bytes: number;
  readonly lost: number;
  /** Answers that were not what was asked for: wrong id, length, version or checksum. */
  readonly wrongAnswers: number;
  readonly lastError: string | undefined;
}

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
