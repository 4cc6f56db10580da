import { crc32 } from 'node:zlib';
import type { AgentLink } from '../client/link.ts';
import { FarAgentError, FarObjectLostError } from '../errors.ts';
import { createObjectIndex, type ObjectIndex } from '../protocol/object-index.ts';
import { bitsOf, countBits, heaviest, placementOf } from './placement.ts';

/** Where every object is, in about 60 bytes each: which agents hold the current version, and how to know it again. */
export type Directory = ObjectIndex<'version' | 'size' | 'holders' | 'crc' | 'last'>;

/** Agents of one store: a holder is a bit of 32. */
export const maxAgents = 31;

export interface Member {
  readonly index: number;
  readonly bit: number;
  readonly link: AgentLink;
  /** Which start of the agent we know; another one has forgotten everything. */
  instance: string | undefined;
  /** Given up: its address refuses, or it was away for longer than it keeps anything. */
  isDead: boolean;
  refusals: number;
  /** On the clock of performance.now(), ms; undefined while it is up. */
  downSince: number | undefined;
  lastError: FarAgentError | undefined;
  objects: number;
  bytes: number;
  lost: number;
  /** Answers that were not what was asked for. */
  lies: number;
}

export interface PendingWrite {
  readonly version: number;
  readonly bytes: Uint8Array;
  /** The object was freed meanwhile: what arrives is to be forgotten. */
  isFreed: boolean;
  readonly done: Promise<void>;
}

/** A version that an agent may or may not have taken: the write failed without an answer. */
interface Doubt {
  readonly version: number;
  readonly crc: number;
}

export interface ClusterState {
  readonly directory: Directory;
  readonly members: Member[];
  readonly seeds: number[];
  readonly replicas: number;
  readonly hasChecksums: boolean;
  /** The latest write of an object that is under way. */
  readonly pending: Map<string, PendingWrite>;
  readonly doubts: Map<string, Doubt[]>;
  readonly counters: { reads: number; bytesIn: number; writes: number; bytesOut: number };
  clock: number;
  isClosed: boolean;
}

export function createState(replicas: number, hasChecksums: boolean): ClusterState {
  return {
    directory: createObjectIndex({ version: 'f64', size: 'u32', holders: 'u32', crc: 'u32', last: 'u32' }),
    members: [],
    seeds: [],
    replicas,
    hasChecksums,
    pending: new Map(),
    doubts: new Map(),
    counters: { reads: 0, bytesIn: 0, writes: 0, bytesOut: 0 },
    clock: 0,
    isClosed: false,
  };
}

export function keyOf(group: number, id: number): string {
  return `${group}/${id}`;
}

export function checksumOf(state: ClusterState, bytes: Uint8Array): number {
  return state.hasChecksums ? crc32(bytes) : 0;
}

/** The agents that requests can go to now, as bits; those that answer well first. */
export function usable(state: ClusterState): { readonly good: number; readonly any: number } {
  let good = 0;
  let any = 0;
  for (const { link, bit, isDead } of state.members) {
    if (isDead || link.state === 'down') continue;
    any |= bit;
    if (link.state === 'up' && !link.isSuspect) good |= bit;
  }
  return { good, any };
}

/** Which of these agents to ask first for an object. */
export function preferred(state: ClusterState, group: number, id: number, among: number): Member | undefined {
  const { good, any } = usable(state);
  const mask = among & good || among & any;
  return state.members[heaviest(placementOf(group, id), state.seeds, mask)];
}

/** Sets who holds an object, and keeps the members' counts. */
export function setHolders(state: ClusterState, row: number, holders: number, size: number): void {
  const { directory, members } = state;
  const before = directory.get('holders', row);
  const sizeBefore = directory.get('size', row);
  for (const member of members) {
    if ((before & member.bit) !== 0) {
      member.objects--;
      member.bytes -= sizeBefore;
    }
    if ((holders & member.bit) !== 0) {
      member.objects++;
      member.bytes += size;
    }
  }
  directory.set('holders', row, holders);
  directory.set('size', row, size);
}

/** One agent turned out not to hold an object (that version of it, at least). */
export function dropHolder(state: ClusterState, group: number, id: number, version: number, member: Member): void {
  const { directory } = state;
  const row = directory.find(group, id);
  if (row < 0 || directory.get('version', row) !== version) return;
  const holders = directory.get('holders', row);
  if ((holders & member.bit) === 0) return;
  setHolders(state, row, holders & ~member.bit, directory.get('size', row));
  directory.set('last', row, member.index);
  if (holders === member.bit) member.lost++;
}

/** Why an object cannot be had: gone for good, or its holders are out of reach for now. */
export function unreachable(state: ClusterState, group: number, id: number): FarObjectLostError | FarAgentError {
  const { directory, members } = state;
  const row = directory.find(group, id);
  if (row < 0) return new FarObjectLostError(id, 'none', `object ${group}/${id} was never written, or was freed`);
  const holders = [...bitsOf(directory.get('holders', row))].map((index) => members[index]!);
  const away = holders.find((member) => !member.isDead);
  if (away !== undefined)
    return (
      away.lastError ??
      new FarAgentError(
        'FAR_AGENT_CLOSED',
        away.link.name,
        `agent ${away.link.name} is out of reach; it may come back with the object`,
      )
    );
  const last = holders[0] ?? members[directory.get('last', row)]!;
  return new FarObjectLostError(
    id,
    last.link.name,
    `object ${group}/${id} is lost: agent ${last.link.name}, its last holder, ${last.isDead ? 'died' : 'does not have it any more'}; open the store with replicas: 2 to survive the loss of one agent`,
  );
}

/** How many agents a new object is meant to be on: fewer than wanted while fewer are there. */
export function wantedReplicas(state: ClusterState): number {
  return Math.min(state.replicas, countBits(usable(state).any));
}
