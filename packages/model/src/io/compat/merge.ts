import { createGlibcRandom } from './c-library.ts';

/** Order in which the tenants' streams are merged (specs/io.md 1.5). */
export type TenantOrder = 'rr' | 'rand' | 'orig';

/** Without what makes no turn of its own; in turn also without the rounds that not every stream has a turn for (the mended Q16). */
export function wholeTurns(
  streams: readonly Int32Array[],
  order: Exclude<TenantOrder, 'orig'>,
  burst: number,
): Int32Array[] {
  const turns = streams.map(({ length }) => Math.floor(length / burst));
  const least = turns.reduce((fewest, own) => Math.min(fewest, own), Infinity);
  return streams.map((stream, did) => stream.subarray(0, (order === 'rr' ? least : turns[did]!) * burst));
}

/** A stream is found empty only when an event is wanted of it; then the round is finished for the others and merging stops (Q16). */
export function roundRobin(streams: readonly Int32Array[], burst: number, total: number): Int32Array {
  const merged = new Int32Array(total);
  const taken = new Int32Array(streams.length);
  let length = 0;
  for (let ended = streams.length === 0; !ended; ) {
    for (const [did, stream] of streams.entries()) {
      for (let turn = 0; turn < burst; turn++) {
        if (taken[did] === stream.length) {
          ended = true;
          break;
        }
        merged[length++] = stream[taken[did]!++]!;
      }
    }
  }
  return merged.subarray(0, length);
}

/** Runs until all streams are empty; an exhausted one costs one empty draw (Q16). */
export function randomOrder(streams: readonly Int32Array[], burst: number, total: number): Int32Array {
  const random = createGlibcRandom();
  const merged = new Int32Array(total);
  const taken = new Int32Array(streams.length);
  const live = streams.map((_, did) => did);
  let length = 0;
  while (live.length > 0) {
    const drawn = random() % live.length;
    const did = live[drawn]!;
    for (let turn = 0; turn < burst; turn++) {
      if (taken[did] === streams[did]!.length) {
        live.splice(drawn, 1);
        break;
      }
      merged[length++] = streams[did]![taken[did]!++]!;
    }
  }
  return merged.subarray(0, length);
}
