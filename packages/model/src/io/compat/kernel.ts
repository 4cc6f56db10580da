import { type WasmApi, wasmApi, wasmModule } from '../../machine/wasm.ts';
import {
  type ColumnName,
  columnNames,
  columnRecords,
  columns,
  countersOf,
  countsOf,
  flowBytes,
  type KernelExports,
  largestQueue,
  layCaches,
  layQueues,
  type Views,
  viewsOf,
} from './kernel-layout.ts';
import { createVictims } from './kernel-victims.ts';
import { wasmCode } from './kernel-wasm-code.ts';
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
  const module = api && moduleOf(api);
  return api && module && new Kernel(config, api, module);
}

/** The kernel's clock has 31 bits and starts again when it has come to 2^29. */
const longestInterval = 2 ** 30;

let compiled: object | undefined;

function moduleOf(api: WasmApi): object | undefined {
  try {
    compiled ??= wasmModule(api, wasmCode);
    return compiled;
  } catch {
    return undefined;
  }
}

class Kernel implements CompatIoSimulation {
  readonly #config: CompatIoConfig;
  readonly #wasm: KernelExports;
  #views: Views;

  constructor(config: CompatIoConfig, api: WasmApi, module: object) {
    this.#config = config;
    const victims = createVictims(config);
    const wasm = new api.Instance(module, { io: { place: victims.place } }).exports as KernelExports;
    this.#wasm = wasm;
    wasm.interval.value = packetIntervalNs(config);
    wasm.queueEntries.value = Math.min(config.queueEntries, largestQueue);
    wasm.inOrder.value = config.inOrder ? 1 : 0;
    wasm.depth.value = config.prefetch.historyDepth;
    wasm.distance.value = config.prefetch.distance;
    wasm.flows.value = wasm.alloc(domainCount * flowBytes);
    wasm.sidRecords.value = wasm.alloc(domainCount * 4);
    wasm.recent.value = wasm.alloc(config.prefetch.distance * 4);
    for (const name of columnNames) wasm[name].value = wasm.alloc((columnRecords + 2) * columns[name]);
    layQueues(wasm);
    layCaches(wasm, config);
    victims.watch(wasm);
    this.#views = viewsOf(wasm);
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
    if (this.#views.sids.buffer !== this.#wasm.memory.buffer) this.#views = viewsOf(this.#wasm);
    return this.#views;
  }

  #lost() {
    const wasm = this.#wasm;
    return lostRequest(wasm.epoch.value + wasm.now.value, countersOf(wasm).issued);
  }

  #result(): CompatIoResult {
    const wasm = this.#wasm;
    const { issued, dropped, ...prefetch } = countersOf(wasm);
    const flows = new Float64Array(wasm.memory.buffer, wasm.flows.value, domainCount * (flowBytes / 8));
    const { contextCache, deviceTlb, l2PageCache, l3PageCache } = this.#config;
    return resultOf({
      config: this.#config,
      timeNs: wasm.epoch.value + wasm.now.value,
      translations: issued,
      packetsDropped: dropped,
      caches: {
        CC: countsOf(wasm, 'CC', contextCache),
        IOTLB: countsOf(wasm, 'IOTLB', deviceTlb),
        L2PAGE: countsOf(wasm, 'L2PAGE', l2PageCache),
        L3PAGE: countsOf(wasm, 'L3PAGE', l3PageCache),
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
