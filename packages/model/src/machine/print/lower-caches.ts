import type { CacheName, CacheShape } from '../cache-hierarchy.ts';
import { wasmApi, wasmModuleWith, wasmPageBytes } from '../wasm.ts';
import { wasmCode, wasmSites } from './lower-caches-wasm-code.ts';

/** The second and the last level in WebAssembly (`lower-caches.wat`), which compares the tags of a set at once. */
export interface LowerCaches {
  /**
   * What the first level missed. Returns a `HitLevel`.
   * @param how the kind of the access (0 data, 2 walk, 4 prefetch); + 8 to prefetch the next line after it; + 16 when the line is to be kept,
   * + 32 when the next one is
   */
  below(l2Instance: number, llcInstance: number, line: number, how: number): number;
  /** Whether caches lean towards lines that are to be kept. */
  press(isHigh: boolean): void;
  /** Answers since the last reset, by twice the kind plus the `HitLevel`. */
  readonly answers: Float64Array;
  /** Room for lines that will be accessed. */
  readonly linesAhead: Float64Array;
  /** Brings near what the first instance of the last level has to search for the first `count` of them, at least 1; changes nothing. */
  readAhead(count: number): void;
  clear(): void;
}

/** How often each cache asks for another victim than a line that is to be kept; 0 = it does not lean. */
export type Leanings = Readonly<Record<'l2' | 'llc', number>>;

/** A set's order of use is 64 bits, 4 for each way. */
const mostWays = 16;
/** Sets from which on what is left of a line number (below 2^46) fits into 38 bits, so that its rest is never what marks an empty way. */
const fewestSets = 256;
/** Beyond, memory for the rows may not be had in one piece. */
const mostBytes = 2 ** 30;
const answersBytes = 128;
/** Lines that are read ahead at a time: enough to be under way at once, few enough to be near still when they are needed. */
const mostLinesAhead = 16;
/** Before the first row: answers, then lines ahead. */
const headBytes = answersBytes + 8 * mostLinesAhead;

interface Exports {
  readonly below: LowerCaches['below'];
  press(isHigh: number): void;
  readAhead(at: number, end: number): number;
  clear(row: number, rows: number, stride: number, ways: number): void;
}

interface Rows {
  readonly base: number;
  readonly rows: number;
  readonly stride: number;
  readonly end: number;
}

/** The last one compiled: most designs of a simulation have the same caches. */
let compiled: { readonly constants: string; readonly module: object } | undefined;

/** Undefined where there is no WebAssembly, or for geometries that the text does not serve. */
export function createLowerCaches(
  { l2, llc }: Readonly<Record<CacheName, CacheShape>>,
  leanings: Leanings,
): LowerCaches | undefined {
  const api = wasmApi();
  if (api === undefined || !isServed(l2) || !isServed(llc)) return undefined;
  const l2Rows = rowsOf(l2, headBytes);
  const llcRows = rowsOf(llc, l2Rows.end);
  if (llcRows.end > mostBytes) return undefined;
  try {
    const constants = {
      ...constantsOf('l2', l2, l2Rows, leanings.l2),
      ...constantsOf('llc', llc, llcRows, leanings.llc),
    };
    const key = JSON.stringify(constants);
    if (compiled?.constants !== key)
      compiled = { constants: key, module: wasmModuleWith(api, wasmCode, wasmSites, constants) };
    const memory = new api.Memory({ initial: Math.ceil(llcRows.end / wasmPageBytes) + 1 });
    const { exports } = new api.Instance(compiled.module, { env: { memory } });
    const { below, press, readAhead, clear } = exports as Exports;
    const empty = () => {
      clear(l2Rows.base, l2Rows.rows, l2Rows.stride, l2.geometry.ways);
      clear(llcRows.base, llcRows.rows, llcRows.stride, llc.geometry.ways);
    };
    empty();
    return {
      below,
      press: (isHigh) => press(isHigh ? 1 : 0),
      answers: new Float64Array(memory.buffer, 0, answersBytes / 8),
      linesAhead: new Float64Array(memory.buffer, answersBytes, mostLinesAhead),
      readAhead: (count) => {
        readAhead(answersBytes, answersBytes + 8 * count);
      },
      clear: empty,
    };
  } catch {
    // A page may forbid it, or the engine lack vectors.
    return undefined;
  }
}

function isServed({ geometry: { sets, ways, policy } }: CacheShape): boolean {
  return policy === 'lru' && ways <= mostWays && sets >= fewestSets;
}

function rowsOf({ geometry: { sets, ways }, instances }: CacheShape, from: number): Rows {
  const bytes = 5 * ways + 8;
  // A row of up to 64 bytes lies in one line of the machine that simulates.
  const stride = 2 ** Math.ceil(Math.log2(bytes)) <= 64 ? 2 ** Math.ceil(Math.log2(bytes)) : Math.ceil(bytes / 32) * 32;
  const base = Math.ceil(from / 64) * 64;
  const rows = sets * instances;
  return { base, rows, stride, end: base + rows * stride };
}

function constantsOf(
  name: 'l2' | 'llc',
  { geometry: { sets, ways } }: CacheShape,
  { base, stride }: Rows,
  attempts: number,
): Readonly<Record<string, number>> {
  const shift = Math.log2(sets);
  return {
    [`${name}Base`]: base,
    [`${name}Sets`]: sets,
    [`${name}Shift`]: Number.isInteger(shift) ? shift : -1,
    [`${name}Ways`]: ways,
    [`${name}Stride`]: stride,
    [`${name}Attempts`]: Math.min(attempts, ways),
  };
}
