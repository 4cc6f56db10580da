import { FarAgentError, type FarMemoryError, FarUsageError } from '../errors.ts';
import { maxObjectBytes } from '../protocol/frames.ts';
import { bitsOf, countBits, heaviest, placementOf } from './placement.ts';
import {
  type ClusterState,
  checksumOf,
  keyOf,
  type Member,
  type PendingWrite,
  setHolders,
  usable,
  wantedReplicas,
} from './state.ts';

/** A write under way: agents as bits. */
interface Attempt {
  readonly group: number;
  readonly id: number;
  readonly version: number;
  readonly bytes: Uint8Array;
  tried: number;
  acknowledged: number;
  /** May have taken it without having said so. */
  doubtful: number;
  outstanding: number;
  lastError: FarMemoryError | undefined;
}

/** Writes a version of an object to as many agents as the store promises. `onDegraded` runs when fewer took it. */
export function writeObject(
  state: ClusterState,
  group: number,
  id: number,
  bytes: Uint8Array,
  onDegraded: () => void,
): Promise<void> {
  if (bytes.byteLength > maxObjectBytes)
    throw new FarUsageError(
      `an object of ${bytes.byteLength} bytes; at most ${maxObjectBytes} fit into a frame: cut it into chunks`,
    );
  const version = ++state.clock;
  const copy = Buffer.allocUnsafeSlow(bytes.byteLength);
  copy.set(bytes);
  const key = keyOf(group, id);
  const attempt: Attempt = {
    group,
    id,
    version,
    bytes: copy,
    tried: 0,
    acknowledged: 0,
    doubtful: 0,
    outstanding: 0,
    lastError: undefined,
  };
  // The promise's executor runs at once: `pending` is filled in before any answer can come.
  let pending: PendingWrite | undefined;
  const done = new Promise<void>((resolve, reject) => {
    const onAllAnswered = () => {
      if (state.pending.get(key) === pending) state.pending.delete(key);
      if (attempt.acknowledged === 0) {
        if (attempt.doubtful !== 0) doubt(state, attempt);
        reject(attempt.lastError ?? noAgent(state));
        return;
      }
      commit(state, attempt, pending?.isFreed === true);
      if (countBits(attempt.acknowledged) < wantedReplicas(state)) onDegraded();
      resolve();
    };
    queueMicrotask(() => {
      for (let left = wantedReplicas(state); left > 0; left--) tryNext(state, attempt, onAllAnswered);
      if (attempt.outstanding === 0) onAllAnswered();
    });
  });
  pending = { version, bytes: copy, isFreed: false, done };
  state.pending.set(key, pending);
  return done;
}

function tryNext(state: ClusterState, attempt: Attempt, onAllAnswered: () => void): void {
  const { good, any } = usable(state);
  const left = ~attempt.tried;
  const member =
    state.members[heaviest(placementOf(attempt.group, attempt.id), state.seeds, good & left || any & left)];
  if (member === undefined) return;
  attempt.tried |= member.bit;
  attempt.outstanding++;
  const { group, id, version, bytes } = attempt;
  member.link.write({
    group,
    id,
    version,
    bytes,
    settle(error) {
      attempt.outstanding--;
      if (error === undefined) {
        attempt.acknowledged |= member.bit;
        state.counters.writes++;
        state.counters.bytesOut += bytes.byteLength;
      } else {
        attempt.lastError = error;
        if (error instanceof FarAgentError) attempt.doubtful |= member.bit;
        tryNext(state, attempt, onAllAnswered);
      }
      if (attempt.outstanding === 0) onAllAnswered();
    },
  });
}

/** The version is on its agents: what earlier ones left elsewhere is forgotten. */
function commit(
  state: ClusterState,
  { group, id, version, bytes, acknowledged, doubtful }: Attempt,
  isFreed: boolean,
): void {
  const { directory, members } = state;
  const forget = (among: number, upTo: number) => {
    for (const index of bitsOf(among)) members[index]!.link.free({ group, id, version: upTo });
  };
  if (isFreed) {
    forget(acknowledged | doubtful, version);
    return;
  }
  const known = directory.find(group, id);
  if (known >= 0 && directory.get('version', known) > version) {
    forget((acknowledged | doubtful) & ~directory.get('holders', known), version);
    return;
  }
  const row = directory.insert(group, id);
  const stale = (directory.get('holders', row) | doubtful) & ~acknowledged;
  setHolders(state, row, acknowledged, bytes.byteLength);
  directory.set('version', row, version);
  directory.set('crc', row, checksumOf(state, bytes));
  state.doubts.delete(keyOf(group, id));
  forget(stale, version);
}

function doubt(state: ClusterState, { group, id, version, bytes }: Attempt): void {
  const key = keyOf(group, id);
  const doubts = state.doubts.get(key) ?? [];
  doubts.push({ version, crc: checksumOf(state, bytes) });
  state.doubts.set(key, doubts.slice(-8));
}

function noAgent({ members }: ClusterState): FarAgentError {
  const reasons = members.map((member: Member) => member.lastError?.message ?? `agent ${member.link.name} is down`);
  return new FarAgentError(
    'FAR_AGENT_CLOSED',
    members[0]?.link.name ?? 'none',
    `no agent takes the object: ${reasons.join('; ')}`,
  );
}
