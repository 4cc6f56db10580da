import type { AgentLink, LinkOptions } from '../client/link.ts';
import type { FarAgentError } from '../errors.ts';
import type { Welcome } from '../protocol/hello.ts';
import { seedOf } from './placement.ts';
import { type ClusterState, type Member, setHolders } from './state.ts';

/** Who belongs to the store, who is up, and what it means when one goes or comes back. */
export interface Membership {
  /** Adds an agent; resolves when it is up, rejects when the first attempt to reach it fails. */
  join(address: string, connect: (events: Pick<LinkOptions, 'onUp' | 'onDown'>) => AgentLink): Promise<void>;
  close(): void;
}

/** An address that refuses this often in a row has no agent any more: what it held is gone with its process. */
const refusalsOfTheDead = 3;
const refusalCodes = ['ECONNREFUSED', 'ENOENT'];
const defaultLeaseMilliseconds = 60_000;

/** @param onChange an agent died, came or came back: replicas may be too few, or too many */
export function createMembership(
  state: ClusterState,
  onChange: () => void,
  deadAfterMilliseconds?: number,
): Membership {
  const leases = new Map<Member, number>();
  const timer = setInterval(buryTheLongGone, 200);
  timer.unref();

  function declareDead(member: Member): void {
    if (member.isDead) return;
    member.isDead = true;
    member.lost += countOnlyHeldBy(state, member);
    onChange();
  }

  function buryTheLongGone(): void {
    const now = performance.now();
    for (const member of state.members) {
      if (member.link.state === 'up') {
        member.downSince = undefined;
        continue;
      }
      member.downSince ??= now;
      const patience = deadAfterMilliseconds ?? leases.get(member) ?? defaultLeaseMilliseconds;
      if (now - member.downSince > patience) declareDead(member);
    }
  }

  function onUp(member: Member, welcome: Welcome): void {
    leases.set(member, welcome.leaseSeconds * 1000);
    const isKnown = member.instance === welcome.instance && (welcome.found || member.objects === 0);
    if (member.instance !== undefined && !isKnown) {
      forgetHolder(state, member);
      member.link.clearFrees();
    } else if (member.isDead) member.lost = 0;
    Object.assign(member, {
      instance: welcome.instance,
      isDead: false,
      refusals: 0,
      downSince: undefined,
      lastError: undefined,
    });
    onChange();
  }

  function onDown(member: Member, error: FarAgentError): void {
    member.lastError = error;
    member.refusals = isRefusal(error) ? member.refusals + 1 : 0;
    if (member.refusals >= refusalsOfTheDead) declareDead(member);
  }

  return {
    join: (address, connect) =>
      new Promise((resolve, reject) => {
        const index = state.members.length;
        const link = connect({
          onUp(welcome) {
            onUp(member, welcome);
            resolve();
          },
          onDown(error) {
            onDown(member, error);
            reject(error);
          },
        });
        const member: Member = {
          index,
          bit: 1 << index,
          link,
          instance: undefined,
          isDead: false,
          refusals: 0,
          downSince: undefined,
          lastError: undefined,
          objects: 0,
          bytes: 0,
          lost: 0,
          lies: 0,
        };
        state.members.push(member);
        state.seeds.push(seedOf(address));
      }),
    close: () => clearInterval(timer),
  };
}

function isRefusal(error: FarAgentError): boolean {
  const { cause } = error;
  return cause instanceof Error && 'code' in cause && refusalCodes.includes(String(cause.code));
}

/** An agent has nothing of ours: another start of it, or our lease ran out. */
function forgetHolder(state: ClusterState, member: Member): void {
  const { directory } = state;
  const lostBefore = member.isDead;
  directory.forEach((row) => {
    const holders = directory.get('holders', row);
    if ((holders & member.bit) === 0) return;
    setHolders(state, row, holders & ~member.bit, directory.get('size', row));
    if (holders !== member.bit) return;
    directory.set('last', row, member.index);
    // The dead one's were counted when it died.
    if (!lostBefore) member.lost++;
  });
}

function countOnlyHeldBy({ directory, members }: ClusterState, member: Member): number {
  let alive = 0;
  for (const other of members) if (!other.isDead) alive |= other.bit;
  let count = 0;
  directory.forEach((row) => {
    const holders = directory.get('holders', row);
    if ((holders & member.bit) !== 0 && (holders & alive) === 0) count++;
  });
  return count;
}
