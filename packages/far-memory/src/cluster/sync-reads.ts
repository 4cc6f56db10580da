import type { SyncReader } from '../client/sync-reader.ts';
import type { FarMemoryError } from '../errors.ts';
import { expectedOf, failure, judge, onBadOutcome, takePending } from './reads.ts';
import { type ClusterState, preferred, unreachable } from './state.ts';

/** Reads while the caller waits; `readers` are those of the members, by position. Throws what `readObject` rejects with. */
export function readObjectSync(
  state: ClusterState,
  readers: readonly SyncReader[],
  group: number,
  id: number,
  into: Uint8Array,
): void {
  if (takePending(state, group, id, into)) return;
  const expected = expectedOf(state, group, id);
  if (expected === undefined) throw unreachable(state, group, id);
  let untried = expected.holders;
  let lastError: FarMemoryError | undefined;
  for (
    let member = preferred(state, group, id, untried);
    member !== undefined;
    member = preferred(state, group, id, untried)
  ) {
    untried &= ~member.bit;
    const outcome = judge(state, group, id, expected, into, readers[member.index]!.read(group, id, into));
    if (outcome.kind === 'read') {
      state.counters.reads++;
      state.counters.bytesIn += into.byteLength;
      return;
    }
    lastError = onBadOutcome(state, group, id, expected.version, member, outcome);
  }
  throw failure(state, group, id, lastError);
}
