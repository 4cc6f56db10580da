import { entryBytes, hexAddress, pageBytes, type Vpn } from '../../machine/address.ts';
import { StrataError } from '../../machine/errors.ts';
import { Counted, type LineCache } from './cache.ts';
import type { CompatConfig } from './config.ts';
import { Step } from './histogram.ts';
import type { LinePort } from './line-port.ts';
import type { Quirks } from './quirks.ts';
import { type CompatTable, tableLevels } from './table.ts';
import { WalkCaches } from './walk-caches.ts';
import { type CompatWalker, entryOffset } from './walk-native.ts';

/** Four host steps and the guest entry, for each of four guest levels; then four host steps for the data page. */
const stepsPerGuestLevel = tableLevels + 1;
const dataStep = tableLevels * stepsPerGuestLevel;
const walkSteps = dataStep + tableLevels;

const unresolved = -2;
const missing = -1;

/** The original's statistics know only the native kinds of request; of the virtualized ones exactly G4H4 has the number of "page-table level 1". */
const countedAsPageTableStep = 18;

function countedAt(step: number): number {
  return step === countedAsPageTableStep ? Counted.pageTable : Counted.demand;
}

/** Up to 24 references in strict order: for each guest level the host walk that locates its table, then its entry; then the data page. */
export function virtualizedWalker(
  guest: CompatTable,
  host: CompatTable,
  config: CompatConfig,
  quirks: Quirks,
  port: LinePort,
): CompatWalker {
  const guestCaches = new WalkCaches(config, quirks);
  const hostCaches = new WalkCaches(config, quirks);
  const dataPageIgnoresCaches = quirks.Q4;
  const hostRowOfTable = new Int32Array(guest.tables.length).fill(unresolved);
  const hostRowOfPage = new Int32Array(guest.pages.length).fill(unresolved);

  function hostRowAt(address: number): number {
    return host.rowOf(Math.floor(address / pageBytes));
  }

  function hostRowOfGuestTable(index: number, vpn: Vpn): number {
    let row = hostRowOfTable[index]!;
    if (row === unresolved) {
      row = hostRowAt(guest.tables[index]!);
      if (row === missing) throw tableNotInHost(guest.tables[index]!, (index % tableLevels) + 1, vpn);
      hostRowOfTable[index] = row;
    }
    return row;
  }

  function hostRowOfData(row: number): number {
    if (hostRowOfPage[row] === unresolved) hostRowOfPage[row] = hostRowAt(guest.targets[row]!);
    return hostRowOfPage[row]!;
  }

  /** Host walk for guest-physical page `page`, written from step `at` on; levels above `deepest` are skipped. */
  function walkHost(page: number, row: number, deepest: number, dataCache: LineCache, steps: Uint8Array, at: number) {
    const path = tableLevels * host.paths[row]!;
    for (let level = 0; level < tableLevels; level++) {
      if (level + 1 < deepest) steps[at + level] = Step.skipped;
      else if (level + 1 === deepest) steps[at + level] = Step.walkCache;
      else
        steps[at + level] = port.request(
          dataCache,
          host.tables[path + level]! + entryOffset(page, level),
          entryBytes,
          countedAt(at + level),
        );
    }
  }

  function walkHostCached(page: number, row: number, dataCache: LineCache, steps: Uint8Array, at: number): void {
    const deepest = hostCaches.deepest(page);
    walkHost(page, row, deepest, dataCache, steps, at);
    hostCaches.complete(page, deepest);
  }

  function walkGuestLevel(vpn: Vpn, table: number, level: number, dataCache: LineCache, steps: Uint8Array): void {
    const at = level * stepsPerGuestLevel;
    const row = hostRowOfGuestTable(table, vpn);
    walkHostCached(host.pages[row]!, row, dataCache, steps, at);
    steps[at + tableLevels] = port.request(
      dataCache,
      host.targets[row]! + entryOffset(vpn, level),
      entryBytes,
      countedAt(at + tableLevels),
    );
  }

  return {
    steps: walkSteps,
    pageAddress(row) {
      const hostRow = hostRowOfData(row);
      if (hostRow !== missing) return host.targets[hostRow]!;
      // A walk meets the guest's tables before the data page, so a host dump that lacks them too is refused rather than skipped over.
      const path = tableLevels * guest.paths[row]!;
      for (let level = 0; level < tableLevels; level++) hostRowOfGuestTable(path + level, guest.pages[row]!);
      return missing;
    },
    walk(vpn, row, dataCache, trajectory) {
      const deepest = guestCaches.deepest(vpn);
      const path = tableLevels * guest.paths[row]!;
      for (let level = 0; level < tableLevels; level++) {
        if (level + 1 > deepest) {
          walkGuestLevel(vpn, path + level, level, dataCache, trajectory);
          continue;
        }
        const end = (level + 1) * stepsPerGuestLevel;
        trajectory.fill(Step.skipped, end - stepsPerGuestLevel, end);
        if (level + 1 === deepest) trajectory[end - 1] = Step.walkCache;
      }
      guestCaches.complete(vpn, deepest);
      const dataRow = hostRowOfData(row);
      const page = host.pages[dataRow]!;
      if (dataPageIgnoresCaches) walkHost(page, dataRow, 0, dataCache, trajectory, dataStep);
      else walkHostCached(page, dataRow, dataCache, trajectory, dataStep);
    },
    walkCaches: () => ({ guest: guestCaches.snapshot(), host: hostCaches.snapshot() }),
    endWarmup() {
      guestCaches.endWarmup();
      hostCaches.endWarmup();
    },
  };
}

function tableNotInHost(address: number, level: number, vpn: Vpn): StrataError {
  const page = Math.floor(address / pageBytes);
  return new StrataError({
    code: 'compat.host-page-missing',
    what: `the host tables do not map guest-physical ${hexAddress(page)}, the level-${level} table for guest address ${hexAddress(vpn)}`,
    where: 'host tables',
    expected: 'every table page of the guest',
    mend: 'Check that both dumps are of the same machine and in byte addresses (frame numbers: --unit pfn), and that the guest touched all its memory before the host dump.',
  });
}
