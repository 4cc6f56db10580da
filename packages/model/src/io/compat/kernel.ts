import { type WasmApi, wasmApi, wasmModuleWith } from '../../machine/wasm.ts';
import {
  type ColumnName,
  columnNames,
  columnRecords,
  countersOf,
  countsOf,
  fill,
  flowBytes,
  type KernelExports,
  type KernelLayout,
  layOut,
  type Views,
  viewsOf,
} from './kernel-layout.ts';
import { createVictims } from './kernel-victims.ts';
import { wasmCode, wasmSites } from './kernel-wasm-code.ts';
import {
  type CompatIoConfig,
  type CompatIoResult,
  type CompatIoSimulation,
  domainCount,
  lostRequest,
  packetIntervalNs,
  resultOf,
} from './model.ts';
import type { TranslationBlock } from './records.ts';

/** The block's name of a column. */
const columnOf = {
  sids: 'sid',
  dids: 'did',
  levels: 'level',
  iovaLo: 'iovaLo',
  iovaHi: 'iovaHi',
  maskLo: 'maskLo',
  maskHi: 'maskHi',
  nextAccess: 'nextAccess',
} as const satisfies Readonly<Record<ColumnName, keyof TranslationBlock>>;

/**
 * The engine of kernel.wat. Undefined where WebAssembly is missing or not allowed, and for links so slow that its clock cannot tell the
 * slots of two packets.
 * @throws StrataError `io.cache-geometry`
 */
export function createKernelSimulation(config: CompatIoConfig): CompatIoSimulation | undefined {
  if (packetIntervalNs(config) > longestInterval) return undefined;
  const api = wasmApi();
  if (!api) return undefined;
  const layout = layOut(config);
  const module = moduleOf(api, layout);
  return module && new Kernel(config, layout, api, module);
}

/** The kernel's clock has 31 bits and starts again when it has come to 2^29. */
const longestInterval = 2 ** 30;

/** The last one compiled: traces are often run one after the other with the same configuration. */
let compiled: { readonly constants: string; readonly module: object } | undefined;

function moduleOf(api: WasmApi, layout: KernelLayout): object | undefined {
  const constants = JSON.stringify(layout.constants);
  if (compiled?.constants === constants) return compiled.module;
  try {
    const module = wasmModuleWith(api, wasmCode, wasmSites, layout.constants);
    compiled = { constants, module };
    return module;
  } catch {
    return undefined;
  }
}

class Kernel implements CompatIoSimulation {
  readonly #config: CompatIoConfig;
  readonly #layout: KernelLayout;
  readonly #wasm: KernelExports;
  #views: Views;

  constructor(config: CompatIoConfig, layout: KernelLayout, api: WasmApi, module: object) {
    this.#config = config;
    this.#layout = layout;
    const victims = createVictims(config, layout);
    this.#wasm = new api.Instance(module, { io: { place: victims.place } }).exports as KernelExports;
    fill(this.#wasm, layout);
    victims.watch(this.#wasm.memory);
    this.#views = viewsOf(this.#wasm, layout);
  }

  feed(block: TranslationBlock): void {
    for (let first = 0; first < block.length; first += columnRecords) {
      this.#take(block, first, Math.min(block.length, first + columnRecords));
      if (this.#wasm.run() !== 0) throw this.#lost();
    }
  }

  finish(): CompatIoResult {
    if (this.#wasm.run() !== 0 || this.#wasm.finish() !== 0) throw this.#lost();
    return this.#result();
  }

  /** Behind what is left of the last packet. */
  #take(block: TranslationBlock, first: number, end: number): void {
    const { position, length } = this.#wasm;
    const views = this.#currentViews();
    const left = length.value - position.value;
    for (const name of columnNames) {
      const column = views[name];
      column.copyWithin(0, position.value, length.value);
      column.set(block[columnOf[name]].subarray(first, end), left);
    }
    position.value = 0;
    length.value = left + end - first;
  }

  /** A memory that grows takes another buffer. */
  #currentViews(): Views {
    if (this.#views.sids.buffer !== this.#wasm.memory.buffer) this.#views = viewsOf(this.#wasm, this.#layout);
    return this.#views;
  }

  #lost() {
    const wasm = this.#wasm;
    return lostRequest(wasm.epoch.value + wasm.now.value, countersOf(wasm).issued);
  }

  #result(): CompatIoResult {
    const wasm = this.#wasm;
    const layout = this.#layout;
    const { issued, dropped, ...prefetch } = countersOf(wasm);
    const flows = new Float64Array(wasm.memory.buffer, layout.flows, domainCount * (flowBytes / 8));
    return resultOf({
      config: this.#config,
      timeNs: wasm.epoch.value + wasm.now.value,
      translations: issued,
      packetsDropped: dropped,
      caches: {
        CC: countsOf(wasm, layout, 'CC'),
        IOTLB: countsOf(wasm, layout, 'IOTLB'),
        L2PAGE: countsOf(wasm, layout, 'L2PAGE'),
        L3PAGE: countsOf(wasm, layout, 'L3PAGE'),
      },
      prefetch: {
        ...prefetch,
        bufferMiss: prefetch.accesses - prefetch.bufferHit,
        historyMiss: prefetch.accesses - prefetch.historyHit,
      },
      flow: (did) => ({
        firstNs: flows[did * 4]!,
        lastNs: flows[did * 4 + 1]!,
        translations: flows[did * 4 + 2]!,
      }),
    });
  }
}
