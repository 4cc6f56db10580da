/** Lines per second of the log parsers, beside a search for line ends alone. */
import { buildQuirks, TraceBuilder } from '@strata/model/io';
import { createCollectorLogParser } from './collector-log.ts';
import { createStockLogParser } from './stock-log.ts';

const smoke = process.env.STRATA_BENCH_SMOKE === '1';
const lines = smoke ? 200_000 : 1_000_000;
/** As streams of files give them. */
const pieceBytes = 65_536;
const hex = (value: number) => `0x${value.toString(16)}`;

function logOf(line: (number: number) => string): Uint8Array {
  return new TextEncoder().encode(Array.from({ length: lines }, (_, number) => `${line(number)}\n`).join(''));
}

function seconds(work: () => unknown): number {
  const start = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6;
}

function lineEnds(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) count++;
  return count;
}

const prefix = (number: number) => `4242@1590529581.${String(number % 1_000_000).padStart(6, '0')}:`;
const collector = logOf(
  (n) =>
    `${prefix(n)}vtd_iotlb_page_hit IOTLB page hit sid ${hex((2 + (n % 16)) << 3)} iova ${hex(0x2c000000 + n * 64)} pmask 0xffffffffffe00000 slpte 0x6bf000083 domain 0x3`,
);
const stock = logOf((n) =>
  n % 2 === 0
    ? `${prefix(n)}vtd_iotlb_page_hit IOTLB page hit sid 0x100 iova ${hex(0xfff00000 + (n % 4096))} slpte 0x56f0003 domain 0xc`
    : `${prefix(n)}vtd_dmar_translate dev 01:00.00 iova 0xfff00000 -> gpa 0x56f0000 mask 0xfff`,
);

for (const [name, bytes, create] of [
  ['collector', collector, createCollectorLogParser],
  ['stock', stock, createStockLogParser],
] as const) {
  const parse = () => {
    const builder = new TraceBuilder(buildQuirks([]));
    builder.beginLog(16, name);
    const parser = create(builder);
    for (let at = 0; at < bytes.length; at += pieceBytes) parser.push(bytes.subarray(at, at + pieceBytes));
    parser.end();
  };
  parse();
  const floor = seconds(() => lineEnds(bytes));
  const time = seconds(parse);
  const rate = lines / time / 1e6;
  console.log(
    `io ${name} log: ${rate.toFixed(2)} M lines/s, ${(time / floor).toFixed(1)} x the time of finding the line ends`,
  );
}
