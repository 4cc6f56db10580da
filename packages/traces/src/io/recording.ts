import { createRecordedBlock, everyDomain, type LogEvents, type RecordedBlock, RecordedKind } from '@strata/model/io';
import { StrataError } from '@strata/model/machine';
import { createCollectorLogParser } from './collector-log.ts';
import type { IoLogKind } from './recognize.ts';
import { createStockLogParser } from './stock-log.ts';

const elementsPerBlock = 8192;
const requesters = 65_536;

export interface RecordingNotes {
  /** Translations from before the line that gives their device a domain. */
  readonly leftOut: number;
  /** Requesters with translations that no context entry names: their domain is that of their look-ups. */
  readonly withoutContext: readonly number[];
}

/**
 * A log as the machine runs it: each DMA with the leaf entry that translated it, and the commands of the invalidation queue between them, in
 * the order of the lines. Domains are the log's. Blocks are used again.
 * @param onEnd told what was not as it should be
 * @throws StrataError `io.no-translations`; `io.log-line` and `io.no-context` of a stock log
 */
export async function* readRecording(
  bytes: AsyncIterable<Uint8Array>,
  kind: IoLogKind,
  where: string,
  onEnd?: (notes: RecordingNotes) => void,
): AsyncIterableIterator<RecordedBlock> {
  const full: RecordedBlock[] = [];
  const spare: RecordedBlock[] = [];
  let block = createRecordedBlock(elementsPerBlock);
  let translations = 0;
  const isAsking = new Uint8Array(requesters);
  const hasContext = new Uint8Array(requesters);

  function next(element: number, domain: number, lo: number, hi: number): number {
    if (block.length === elementsPerBlock) {
      full.push(block);
      block = spare.pop() ?? createRecordedBlock(elementsPerBlock);
      block.length = 0;
    }
    const at = block.length++;
    block.kind[at] = element;
    block.did[at] = domain;
    block.iovaLo[at] = lo;
    block.iovaHi[at] = hi;
    return at;
  }

  function translation(sid: number, domain: number, lo: number, hi: number, entryLo: number, entryHi: number): number {
    const at = next(RecordedKind.translation, domain, lo, hi);
    translations++;
    isAsking[sid] = 1;
    block.sid[at] = sid;
    block.entryLo[at] = entryLo;
    block.entryHi[at] = entryHi;
    return at;
  }

  const events: LogEvents = {
    pageUpdate(sid, lo, hi, entryLo, entryHi, level, domain) {
      block.level[translation(sid, domain, lo, hi, entryLo, entryHi)] = level;
    },
    pageHit(sid, lo, hi, maskLo, maskHi, entryLo, entryHi, domain) {
      const level = levelOfMask(maskLo, maskHi);
      block.level[translation(sid, domain, lo, hi, entryLo, entryHi)] = level;
    },
    contextUpdate(bus, devfn) {
      hasContext[((bus << 8) | devfn) & 0xffff] = 1;
    },
    tableFetch() {},
    pagesInvalidated(domain, lo, hi, pages) {
      block.pages[next(RecordedKind.pagesInvalidated, domain, lo, hi)] = pages;
    },
    domainInvalidated(domain) {
      next(RecordedKind.domainInvalidated, domain === -1 ? everyDomain : domain, 0, 0);
    },
    contextInvalidated(sid) {
      const at = next(RecordedKind.contextInvalidated, 0, 0, 0);
      block.sid[at] = Math.max(0, sid);
      block.pages[at] = sid === -1 ? 0 : 1;
    },
    pagesUnmapped(domain, lo, hi, pages) {
      block.pages[next(RecordedKind.pagesUnmapped, domain, lo, hi)] = pages;
    },
  };
  const parser =
    kind === 'stock'
      ? createStockLogParser(events, where)
      : createCollectorLogParser(events, { hexGeneration: false, carriageReturn: false });
  for await (const chunk of bytes) {
    parser.push(chunk);
    for (const done of full) {
      yield done;
      spare.push(done);
    }
    full.length = 0;
  }
  parser.end();
  onEnd?.({
    leftOut: 'withoutDomain' in parser ? parser.withoutDomain : 0,
    withoutContext: Array.from(isAsking.keys()).filter((sid) => isAsking[sid] === 1 && hasContext[sid] === 0),
  });
  yield* full;
  if (block.length > 0) yield block;
  if (translations > 0) return;
  throw new StrataError({
    code: 'io.no-translations',
    what: 'the log has no translation',
    where,
    expected: 'lines of vtd_dmar_translate, amdvi_translation_result or iommu:map, or those of the original collector',
    found: `none in ${parser.lines} lines`,
    mend: 'Check that the IOMMU was on, and these events enabled.',
  });
}

/** Level of the page of that mask: each level has nine bits more. */
function levelOfMask(lo: number, hi: number): number {
  if (hi >>> 0 !== 0xffffffff) return 3;
  return lo >>> 0 >= 0xfffff000 ? 1 : lo >>> 0 >= 0xffe00000 ? 2 : 3;
}
