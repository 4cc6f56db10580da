import { describe, expect, it } from 'vitest';
import { createBuddy } from '../buddy.ts';
import { StrataError } from '../errors.ts';
import { createPageTable } from '../radix-table.ts';
import { createDemandSpace } from './demand-space.ts';
import { backGuest, forEachNode, framesBeside, importedSpace } from './imported-space.ts';
import { promoteHugePages } from './promote.ts';

const names = { guest: 'guest.dump', host: 'host.dump' };

/** Two pages of a guest: tables in guest frames 10 to 13, data in 100 and 101. */
function guestTable() {
  const table = createPageTable({ levels: 4, rootFrame: 10 });
  table.map(0x400, 100, 1, (level) => 14 - level);
  table.map(0x401, 101, 1, () => 0);
  return table;
}

function hostTable(frames: readonly number[]) {
  const table = createPageTable({ levels: 4, rootFrame: 1000, addresses: 'physical' });
  let node = 1001;
  for (const frame of frames) table.map(frame, 5000 + frame, 1, () => node++);
  return table;
}

function refusal(host: readonly number[]): StrataError {
  try {
    backGuest(guestTable(), importedSpace(hostTable(host), createBuddy({ frames: 1 })), names);
  } catch (error) {
    if (error instanceof StrataError) return error;
  }
  throw new Error('expected a refusal');
}

describe('an imported space', () => {
  it('has what was recorded and nothing else', () => {
    const space = importedSpace(guestTable(), createBuddy({ frames: 8 }));
    expect([space.ensure(0x400), space.ensure(0x402)]).toEqual([100, -1]);
  });

  it('under a guest must map its pages: a missing one is named with its row', () => {
    const error = refusal([10, 11, 12, 13, 100]);
    expect([error.code, error.exitCode]).toEqual(['tables.guest-page-missing-in-host', 2]);
    expect(error.message).toMatch(
      /guest\.dump, row 2: .*page 0x401000 at guest-physical 0x65000.*host\.dump does not map/,
    );
  });

  it('under a guest must map its tables: a missing one is named', () => {
    expect(refusal([10, 11, 12, 100, 101]).message).toMatch(/level-1 table of 0x400000 at guest-physical 0xd000/);
  });

  it('backs what is missing when asked, beside what it maps, and tells so', () => {
    const table = hostTable([10, 11, 12, 100]);
    const frames = framesBeside(table, 'the host');
    const host = importedSpace(table, frames, { backMissing: true });
    const told: number[] = [];
    host.observe({ mapped: (vpn) => told.push(vpn) });
    backGuest(guestTable(), host, names);
    expect(told).toEqual([13, 101]);
    const used = new Set<number>();
    forEachNode(table, (_level, frame) => used.add(frame));
    table.forEachLeaf((_vpn, frame) => used.add(frame));
    expect(used.size).toBe(table.nodes + table.mappedPages);
  });

  it('over a modelled hypervisor is backed at once', () => {
    const host = createDemandSpace({ frames: createBuddy({ frames: 4096 }), addresses: 'physical' });
    backGuest(guestTable(), host, names);
    expect(host.table.mappedPages).toBe(6);
  });
});

describe('the nodes of a table', () => {
  it('come with the range that each covers, in both halves of the address space', () => {
    const table = createPageTable({ levels: 4, rootFrame: 1 });
    let node = 2;
    for (const vpn of [0x400, 0x7f1234567, 2 ** 52 - 1]) table.map(vpn, vpn % 1000, 1, () => node++);
    const starts: number[] = [];
    forEachNode(table, (level, frame, vpn, number) => {
      expect(table.frameOf(number)).toBe(frame);
      expect(level === 4 || table.nodeAt(vpn, level) === number).toBe(true);
      if (level === 1) starts.push(vpn);
    });
    expect(starts).toEqual([0x400, 0x7f1234400, 2 ** 52 - 512]);
  });
});

describe('promotion to huge pages', () => {
  it('keeps aligned blocks, copies scattered full ranges, and leaves ranges with holes', () => {
    const table = createPageTable({ levels: 4, rootFrame: 1 });
    let node = 2;
    const map = (vpn: number, frame: number) => table.map(vpn, frame, 1, () => node++);
    for (let page = 0; page < 512; page++) {
      map(page, 1024 + page);
      map(512 + page, 4096 + page * 3);
      if (page !== 77) map(1024 + page, 8192 + page);
    }
    const frames = framesBeside(table, 'the machine');
    expect(promoteHugePages(table, frames)).toEqual({ inPlace: 1, moved: 1, failed: 0 });
    expect([3, 515, 1027].map((vpn) => table.leafLevel(vpn))).toEqual([2, 2, 1]);
    expect(table.translate(3)).toBe(1027);
    expect(table.translate(515) % 512).toBe(3);
    expect(table.translate(515)).toBeGreaterThan(8192 + 511);
    expect(table.mappedPages).toBe(1535);
  });

  it('reaches the kernel half too', () => {
    const table = createPageTable({ levels: 4, rootFrame: 1 });
    const start = 2 ** 52 - 512;
    let node = 2;
    for (let page = 0; page < 512; page++) table.map(start + page, 1024 + page, 1, () => node++);
    expect(promoteHugePages(table, framesBeside(table, 'the machine')).inPlace).toBe(1);
    expect([table.leafLevel(start), table.translate(start + 5)]).toEqual([2, 1029]);
  });
});
