import type { ReadOutcome } from '../client/requests.ts';
import { type FarMemoryError, FarObjectLostError, FarUsageError } from '../errors.ts';
import type { ReadPriority } from '../remote-store.ts';
import { type ClusterState, checksumOf, dropHolder, keyOf, type Member, preferred, unreachable } from './state.ts';

/** Reads an object from whichever holder answers, the preferred one first. */
export function readObject(
  state: ClusterState,
  group: number,
  id: number,
  into: Uint8Array,
  priority: ReadPriority,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (takePending(state, group, id, into)) return resolve();
    const expected = expectedOf(state, group, id);
    if (expected === undefined) return reject(unreachable(state, group, id));
    let untried = expected.holders;
    let lastError: FarMemoryError | undefined;
    const tryNext = (): void => {
      const member = preferred(state, group, id, untried);
      if (member === undefined) {
        reject(failure(state, group, id, lastError));
        return;
      }
      untried &= ~member.bit;
      member.link.read({
        group,
        id,
        into,
        priority,
        settle(outcome) {
          const judged = judge(state, group, id, expected, into, outcome);
          if (judged.kind === 'read') {
            state.counters.reads++;
            state.counters.bytesIn += into.byteLength;
            return resolve();
          }
          lastError = onBadOutcome(state, group, id, expected.version, member, judged);
          tryNext();
        },
      });
    };
    tryNext();
  });
}

/** What an object's current version looks like. */
export interface Expected {
  readonly version: number;
  readonly crc: number;
  readonly holders: number;
}

export function expectedOf({ directory }: ClusterState, group: number, id: number): Expected | undefined {
  const row = directory.find(group, id);
  if (row < 0) return undefined;
  return {
    version: directory.get('version', row),
    crc: directory.get('crc', row),
    holders: directory.get('holders', row),
  };
}

/** A version that is still on its way is read from here. */
export function takePending({ pending }: ClusterState, group: number, id: number, into: Uint8Array): boolean {
  if (pending.size === 0) return false;
  const write = pending.get(keyOf(group, id));
  if (write === undefined || write.isFreed) return false;
  if (write.bytes.byteLength !== into.byteLength)
    throw new FarUsageError(`object ${group}/${id} has ${write.bytes.byteLength} bytes, the buffer ${into.byteLength}`);
  into.set(write.bytes);
  return true;
}

/** Whether the bytes that an agent sent are a version that may be there. */
export function judge(
  state: ClusterState,
  group: number,
  id: number,
  expected: Expected,
  into: Uint8Array,
  outcome: ReadOutcome,
): ReadOutcome {
  if (outcome.kind !== 'read') return outcome;
  const crc = crcOf(state, group, id, expected, outcome.version);
  if (crc === undefined) return { kind: 'wrong', what: `version ${outcome.version} in place of ${expected.version}` };
  if (checksumOf(state, into) !== crc) return { kind: 'wrong', what: 'bytes with another checksum' };
  return outcome;
}

/** The checksum of a version that is current, was so when the read began, or may have been taken; undefined for any other. */
function crcOf(
  state: ClusterState,
  group: number,
  id: number,
  expected: Expected,
  version: number,
): number | undefined {
  if (version === expected.version) return expected.crc;
  const current = expectedOf(state, group, id);
  if (version === current?.version) return current.crc;
  const pending = state.pending.get(keyOf(group, id));
  if (version === pending?.version) return checksumOf(state, pending.bytes);
  return state.doubts.get(keyOf(group, id))?.find((doubt) => doubt.version === version)?.crc;
}

/** Draws the consequence of an answer that was none; the error to report when no other holder is left. */
export function onBadOutcome(
  state: ClusterState,
  group: number,
  id: number,
  version: number,
  member: Member,
  outcome: Exclude<ReadOutcome, { kind: 'read' }>,
): FarMemoryError | undefined {
  if (outcome.kind === 'failed') return outcome.error;
  if (outcome.kind === 'wrong') member.lies++;
  dropHolder(state, group, id, version, member);
  return outcome.kind === 'wrong'
    ? new FarObjectLostError(
        id,
        member.link.name,
        `object ${group}/${id} is lost: agent ${member.link.name} answered with ${outcome.what}`,
      )
    : undefined;
}

export function failure(
  state: ClusterState,
  group: number,
  id: number,
  lastError: FarMemoryError | undefined,
): FarMemoryError {
  const reason = unreachable(state, group, id);
  // A holder that is away but alive: its own error says more.
  return reason instanceof FarObjectLostError && !(lastError instanceof FarObjectLostError)
    ? reason
    : (lastError ?? reason);
}
