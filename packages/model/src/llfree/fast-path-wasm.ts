import { type WasmApi, type WasmMemory, wasmApi, wasmModule, wasmPageBytes } from '../machine/wasm.ts';

export type { WasmMemory };

import type { FastPath, FreeTo } from './fast-path.ts';
import { wasmCode } from './fast-path-wasm-code.ts';
import { kindsPerCore, type Layout, localStride } from './layout.ts';

interface Exports {
  get(local: number): number;
  putToTree(frame: number, local: number): number;
  putToReservation(frame: number, local: number): number;
}

const bytesPerWord = 4;

/** A memory of at least `words` words that threads may share; undefined where there is no WebAssembly. */
export function sharedWasmMemory(words: number): WasmMemory | undefined {
  const api = wasmApi();
  const pages = Math.ceil((words * bytesPerWord) / wasmPageBytes);
  return api && new api.Memory({ initial: pages, maximum: pages, shared: true });
}

let compiled: object | undefined;

/** The module, compiled once; undefined where compiling is not allowed (a page's Content-Security-Policy). */
function moduleOf(api: WasmApi): object | undefined {
  try {
    compiled ??= wasmModule(api, wasmCode);
    return compiled;
  } catch {
    return undefined;
  }
}

/**
 * The quick road on memory that threads share: `fast-path.wat`, which does what `wordsFastPath` does at a quarter of the price (`llfree.bench.ts`).
 * Undefined where WebAssembly is missing or not allowed.
 */
export function wasmFastPath(
  memory: WasmMemory,
  layout: Layout,
  freeTo: FreeTo,
  movableKind: number,
): FastPath | undefined {
  const api = wasmApi();
  const module = api && moduleOf(api);
  if (!api || !module) return undefined;
  const { frames, cores } = layout;
  const { get, putToTree, putToReservation } = new api.Instance(module, {
    llfree: {
      memory,
      rows: layout.rowsAt * bytesPerWord,
      children: layout.childrenAt * bytesPerWord,
      trees: layout.treesAt * bytesPerWord,
    },
  }).exports as Exports;
  const putTo = freeTo === 'tree' ? putToTree : putToReservation;
  const localsAt = layout.localsAt * bytesPerWord;
  const localBytes = localStride * bytesPerWord;
  return {
    get(core, movable) {
      if ((core | 0) !== core || core < 0 || core >= cores) return -1;
      return get(localsAt + (core * kindsPerCore + (movable ? movableKind : 0)) * localBytes);
    },
    put(core, frame, movable) {
      if ((core | 0) !== core || core < 0 || core >= cores) return false;
      if ((frame | 0) !== frame || frame < 0 || frame >= frames) return false;
      return putTo(frame, localsAt + (core * kindsPerCore + (movable ? movableKind : 0)) * localBytes) === 1;
    },
  };
}
