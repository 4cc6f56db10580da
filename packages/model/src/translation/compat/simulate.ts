import { type AccessBlock, AccessKind } from '../../machine/accesses.ts';
import { StrataError } from '../../machine/errors.ts';
import { Counted, LineCache } from './cache.ts';
import { type CompatConfig, type CompatOptions, compatConfig } from './config.ts';
import { contentionInjector, type Injector } from './contention.ts';
import { isReference } from './formulas.ts';
import { Step, TrajectoryHistogram } from './histogram.ts';
import { LinePort } from './line-port.ts';
import { allQuirks, type Quirks } from './quirks.ts';
import { inAnyRange, type PageRange } from './ranges.ts';
import type { CompatCoreResult, CompatResult } from './result.ts';
import type { CompatTable } from './table.ts';
import { Tlb } from './tlb.ts';
import { type CompatWalker, nativeWalker } from './walk-native.ts';
import { virtualizedWalker } from './walk-virtualized.ts';

export interface CompatInput {
  readonly config?: CompatOptions;
  /** Default: all, the behaviour of the original. */
  readonly quirks?: Quirks;
  /** The process's page table: its addresses are physical (native) or guest-physical. */
  readonly tables: CompatTable;
  /** The VM's page table, keyed by guest-physical page; needed unless native. */
  readonly hostTables?: CompatTable;
  /** Contents of a range file; used by native runs only, as in the original. */
  readonly ranges?: readonly PageRange[];
}

/** A running simulation. Feed it the trace block by block, with events; `finish` may be asked at any time and changes nothing. */
export interface CompatSimulation {
  /** @throws StrataError `compat.host-page-missing` */
  feed(block: AccessBlock): void;
  finish(): CompatResult;
}

interface Core {
  threadsNow: number;
  threadsEver: number;
  readonly tlbL1i: Tlb;
  readonly tlbL1d: Tlb;
  readonly tlbL2: Tlb;
  readonly l1i: LineCache;
  readonly l1d: LineCache;
  readonly l2: LineCache;
}

/**
 * The original simulators, reference by reference (specification: translation, sections 2.1 to 2.4).
 * @throws StrataError `config.*`, `compat.geometry`, `compat.no-host-tables`
 */
export function simulateCompat({ config: options, quirks = allQuirks, tables, hostTables, ranges }: CompatInput) {
  const config = compatConfig(options);
  return new Simulation(config, quirks, tables, hostTables, ranges ?? []) as CompatSimulation;
}

const noCore = -1;

/** The page found last: most accesses are to the same page as the one before. */
interface RecentPage {
  vpn: number;
  row: number;
  page: number;
}

class Simulation implements CompatSimulation {
  private readonly config: CompatConfig;
  private readonly quirks: Quirks;
  // Quirks that decide per reference, as fields of their own: the hot path reads them.
  private readonly countsAtEntry: boolean;
  private readonly prefetchesPassTlbs: boolean;
  private readonly tables: CompatTable;
  private readonly hostTables: CompatTable | undefined;
  private readonly ranges: readonly PageRange[];
  private readonly walker: CompatWalker;
  private readonly port: LinePort;
  private readonly llc: LineCache;
  private readonly cores: readonly Core[];
  private readonly coreOfThread = new Int16Array(2 ** 16).fill(noCore);
  private readonly histogram: TrajectoryHistogram;
  private readonly trajectory: Uint8Array;
  private readonly l1Contention: Injector | undefined;
  private readonly llcContention: Injector | undefined;
  private readonly recentCode: RecentPage = { vpn: -1, row: -1, page: -1 };
  private readonly recentData: RecentPage = { vpn: -1, row: -1, page: -1 };
  private references = 0;
  private requests = 0;
  private markers = 0;
  private notFound = 0;
  private notFoundInHost = 0;
  private rangeFound = 0;
  private rangeNotFound = 0;
  private warmupLeft: number;
  private tlbWarmupLeft: number;
  private warmedUp: boolean;
  private tlbWarmedUp: boolean;

  constructor(
    config: CompatConfig,
    quirks: Quirks,
    tables: CompatTable,
    hostTables: CompatTable | undefined,
    ranges: readonly PageRange[],
  ) {
    this.config = config;
    this.quirks = quirks;
    this.countsAtEntry = quirks.Q5;
    this.prefetchesPassTlbs = quirks.Q6;
    this.tables = tables;
    this.hostTables = config.setup === 'native' ? undefined : hostTables;
    this.ranges = ranges;
    this.port = new LinePort(config.lineBytes, quirks.Q9);
    this.walker = createWalker(config, quirks, tables, hostTables, this.port);
    this.llc = createCache(config, quirks, 'llc');
    this.cores = Array.from({ length: config.cores }, () => createCore(config, quirks, this.llc));
    this.trajectory = new Uint8Array(this.walker.steps + 1);
    this.histogram = new TrajectoryHistogram(this.walker.steps);
    const llcRate = config.setup === 'native' && quirks.Q10 ? config.contentionL1 : config.contentionLlc;
    this.l1Contention = contentionInjector(config.contentionL1, config.seed);
    this.llcContention = contentionInjector(llcRate, config.seed + 1);
    this.warmupLeft = config.warmupReferences;
    this.tlbWarmupLeft = config.warmupReferences;
    this.warmedUp = this.warmupLeft === 0;
    this.tlbWarmedUp = this.warmedUp;
  }

  feed(block: AccessBlock): void {
    const { length, lo, hi, kind, size, thread, process } = block;
    for (let i = 0; i < length; i++) {
      if (kind[i]! >= AccessKind.noFetch) this.event(kind[i]!, thread[i]!);
      else this.access(lo[i]!, hi[i]!, kind[i]!, size[i]!, thread[i]!, process[i]!);
    }
  }

  private access(lo: number, hi: number, kind: number, size: number, thread: number, process: number): void {
    this.references++;
    this.requests++;
    if (this.countsAtEntry) this.beginCounted();
    const coreNumber = this.coreOfThread[thread]!;
    const core = this.cores[coreNumber === noCore ? this.place(thread) : coreNumber]!;
    this.contend(core);
    const vpn = hi * 1_048_576 + (lo >>> 12);
    const hit = this.lookUp(core, vpn, kind, process);
    this.tlbReferenceDone();
    const recent = kind === AccessKind.fetch ? this.recentCode : this.recentData;
    if (recent.vpn !== vpn) this.find(recent, vpn);
    const { row, page } = recent;
    if (page < 0) {
      if (row < 0) this.notFound++;
      else this.notFoundInHost++;
      this.referenceDropped();
      return;
    }
    if (!hit) this.walk(core, vpn, row);
    this.port.request(
      kind === AccessKind.fetch ? core.l1i : core.l1d,
      page + (lo & 4095),
      size,
      kind === AccessKind.prefetch ? Counted.prefetch : Counted.demand,
    );
    this.referenceDone();
  }

  private find(recent: RecentPage, vpn: number): void {
    recent.vpn = vpn;
    recent.row = this.tables.rowOf(vpn);
    recent.page = recent.row < 0 ? -1 : this.walker.pageAddress(recent.row);
  }

  /** What is not an access: markers are counted and skipped; the rest is looked up at page 0 in vain (quirk Q7). */
  private event(kind: number, thread: number): void {
    if (kind === AccessKind.other) return;
    if (kind !== AccessKind.marker && !this.quirks.Q7) {
      if (kind === AccessKind.threadExit) this.leave(thread);
      return;
    }
    this.requests++;
    if (this.countsAtEntry) this.beginCounted();
    if (kind === AccessKind.marker) {
      this.markers++;
      return;
    }
    if (this.coreOfThread[thread] === noCore) this.place(thread);
    if (this.countsAtEntry) this.tlbReferenceDone();
    this.notFound++;
  }

  private lookUp(core: Core, vpn: number, kind: number, process: number): boolean {
    if (kind === AccessKind.fetch) return core.tlbL1i.request(vpn, process);
    if (kind === AccessKind.prefetch && this.prefetchesPassTlbs) return false;
    return core.tlbL1d.request(vpn, process);
  }

  private walk(core: Core, vpn: number, row: number): void {
    this.walker.walk(vpn, row, core.l1d, this.trajectory);
    const found = this.ranges.length === 0 || inAnyRange(this.ranges, vpn);
    if (found) this.rangeFound++;
    else this.rangeNotFound++;
    this.trajectory[this.walker.steps] = found ? Step.rangeHit : Step.rangeMiss;
    this.histogram.add(this.trajectory);
  }

  private contend(core: Core): void {
    if (this.l1Contention !== undefined) this.l1Contention.inject(core.l1d);
    if (this.llcContention !== undefined) this.llcContention.inject(this.llc);
  }

  /** The least loaded core, the first of several, takes a new thread. */
  private place(thread: number): number {
    let chosen = 0;
    for (let core = 1; core < this.cores.length; core++)
      if (this.cores[core]!.threadsNow < this.cores[chosen]!.threadsNow) chosen = core;
    this.cores[chosen]!.threadsNow++;
    this.cores[chosen]!.threadsEver++;
    this.coreOfThread[thread] = chosen;
    return chosen;
  }

  private leave(thread: number): void {
    const core = this.coreOfThread[thread]!;
    if (core === noCore) return;
    this.cores[core]!.threadsNow--;
    this.coreOfThread[thread] = noCore;
  }

  /** Quirk Q5: at the entry of every request the warm-up counter falls, and reaching zero here resets nothing. */
  private beginCounted(): void {
    if (this.warmupLeft > 0) this.warmupLeft--;
  }

  private referenceDropped(): void {
    if (!this.countsAtEntry) this.referenceDone();
  }

  private referenceDone(): void {
    if (this.warmupLeft === 0 || --this.warmupLeft > 0) return;
    this.endWarmup();
    if (!this.countsAtEntry) this.endTlbWarmup();
  }

  /** The TLBs' own counter (quirk Q5). */
  private tlbReferenceDone(): void {
    if (!this.countsAtEntry || this.tlbWarmupLeft === 0 || --this.tlbWarmupLeft > 0) return;
    this.endTlbWarmup();
  }

  private endWarmup(): void {
    this.warmedUp = true;
    this.histogram.clear();
    this.walker.endWarmup();
    for (const { l1i, l1d, l2 } of this.cores) for (const cache of [l1i, l1d, l2]) cache.counters.endWarmup();
    this.llc.counters.endWarmup();
  }

  private endTlbWarmup(): void {
    this.tlbWarmedUp = true;
    for (const { tlbL1i, tlbL1d, tlbL2 } of this.cores)
      for (const tlb of [tlbL1i, tlbL1d, tlbL2]) tlb.counters.endWarmup();
  }

  finish(): CompatResult {
    const histogram = this.histogram.rows();
    let walks = 0;
    let references = 0;
    for (const row of histogram) {
      walks += row.count;
      references += row.count * row.labels.filter(isReference).length;
    }
    return {
      config: this.config,
      quirks: this.quirks,
      tableRows: { listed: this.tables.listed, unique: this.tables.rows },
      ...(this.hostTables === undefined
        ? {}
        : { hostTableRows: { listed: this.hostTables.listed, unique: this.hostTables.rows } }),
      references: this.references,
      requests: this.requests,
      markers: this.markers,
      notFound: this.notFound,
      notFoundInHost: this.notFoundInHost,
      rangeFound: this.rangeFound,
      rangeNotFound: this.rangeNotFound,
      warmedUp: this.warmedUp,
      tlbWarmedUp: this.tlbWarmedUp,
      walks,
      referencesPerWalk: walks === 0 ? 0 : references / walks,
      histogram,
      cores: this.cores.map(coreResult),
      llc: this.llc.counters.snapshot(this.cores.map(({ l2 }) => l2.counters)),
      walkCaches: this.walker.walkCaches(),
    };
  }
}

function createWalker(
  config: CompatConfig,
  quirks: Quirks,
  tables: CompatTable,
  hostTables: CompatTable | undefined,
  port: LinePort,
): CompatWalker {
  if (config.setup === 'native') return nativeWalker(tables, config, quirks, port);
  if (hostTables === undefined)
    throw new StrataError({
      code: 'compat.no-host-tables',
      what: `set-up ${config.setup} needs the host's page tables too`,
      mend: 'Give the dump of the VM with --host-tables.',
    });
  return virtualizedWalker(tables, hostTables, config, quirks, port);
}

const levelOf = { l1i: 1, l1d: 1, l2: 2, llc: 3 } as const;

function createCache(config: CompatConfig, quirks: Quirks, name: keyof typeof levelOf, parent?: LineCache): LineCache {
  const { bytes, ways } = config[name];
  return new LineCache({
    entries: bytes / config.lineBytes,
    ways,
    level: levelOf[name],
    ...(parent === undefined ? {} : { parent }),
    prefetches: name === 'l1d' && config.prefetcher === 'nextline',
    repeatIsNotFound: quirks.Q1,
  });
}

function createCore(config: CompatConfig, quirks: Quirks, llc: LineCache): Core {
  const l2 = createCache(config, quirks, 'l2', llc);
  const tlbL2 = new Tlb({ ...config.tlbL2, leastFrequentlyUsed: quirks.Q8 });
  return {
    threadsNow: 0,
    threadsEver: 0,
    tlbL1i: new Tlb({ ...config.tlbL1i, parent: tlbL2, leastFrequentlyUsed: quirks.Q8 }),
    tlbL1d: new Tlb({ ...config.tlbL1d, parent: tlbL2, leastFrequentlyUsed: quirks.Q8 }),
    tlbL2,
    l1i: createCache(config, quirks, 'l1i', l2),
    l1d: createCache(config, quirks, 'l1d', l2),
    l2,
  };
}

function coreResult({ threadsEver, tlbL1i, tlbL1d, tlbL2, l1i, l1d, l2 }: Core): CompatCoreResult {
  return {
    threads: threadsEver,
    tlbL1i: tlbL1i.counters.snapshot(),
    tlbL1d: tlbL1d.counters.snapshot(),
    tlbL2: tlbL2.counters.snapshot([tlbL1i.counters, tlbL1d.counters]),
    l1i: l1i.counters.snapshot(),
    l1d: l1d.counters.snapshot(),
    l2: l2.counters.snapshot([l1i.counters, l1d.counters]),
  };
}
