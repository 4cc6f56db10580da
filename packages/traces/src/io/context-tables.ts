import {
  createPageTable,
  type Frame,
  type MutablePageTable,
  type PageLevel,
  type PageTable,
  StrataError,
} from '@strata/model/machine';
import { openInput } from '../input/input.ts';
import { forEachLine, lineText, quoted } from '../tables/lines.ts';

/** The tables of an IOMMU as its context entries lead to them. */
export interface ContextTables {
  /** By domain. Those of three levels are the part below the first entry of a fourth. */
  readonly tables: ReadonlyMap<number, PageTable>;
  /** Levels that the context entries say. */
  readonly levels: readonly number[];
  readonly rows: number;
}

const contextPattern = /^CE ([0-9a-f]+) did (\d+) hi [0-9a-f]+ lo ([0-9a-f]+) levels ([345]) tt \d$/i;
const rowPattern = /^([0-9a-f]+) (\d+) ([0-9a-f]{1,16}) ([1-5]) [0-9a-f]{1,16} ([0-9a-f]{1,16}) ([TL])$/i;
const addressBits = 0x000f_ffff_ffff_f000n;
const pageBits = 12n;

interface Context {
  readonly domain: number;
  readonly levels: number;
  readonly table: MutablePageTable;
  /** Frames of tables by level and the region that they cover: tables come before what they hold. */
  readonly nodes: Map<string, Frame>;
}

/**
 * Context entries and second-level tables read out of a VM's memory (`CE sid did N hi lo levels tt`; then `sid did iova level entry_pa entry
 * T|L`; specs/capture.md 2.5), compressed or not. Undefined when the file is none. A domain that several devices share is read once.
 * @throws StrataError `tables.malformed-line` with the line, and what opening the file finds
 */
export async function readContextTables(
  path: string,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<ContextTables | undefined> {
  const input = await openInput(path, signal === undefined ? {} : { signal });
  try {
    if (!contextPattern.test(firstLine(input.head))) return undefined;
    /** By requester: a domain's first one has the table. */
    const contexts = new Map<string, Context | undefined>();
    const domains = new Map<number, Context>();
    let rows = 0;
    await forEachLine(input.chunks, path, (bytes, start, end, line) => {
      if (start === end) return;
      if (rows % 65_536 === 0) signal?.throwIfAborted();
      const text = lineText(bytes, start, end);
      const context = contextPattern.exec(text);
      if (context !== null) {
        const domain = Number(context[2]);
        const isFirst = !domains.has(domain);
        const made = isFirst ? contextOf(domain, Number(context[4]), frameIn(context[3]!)) : undefined;
        if (made !== undefined) domains.set(domain, made);
        contexts.set(context[1]!, made);
        return;
      }
      const row = rowPattern.exec(text);
      if (row === null || !contexts.has(row[1]!)) throw malformed(path, line, text);
      rows++;
      const own = contexts.get(row[1]!);
      if (own !== undefined && !enter(own, row)) throw malformed(path, line, text);
    });
    return {
      tables: new Map([...domains].map(([domain, { table }]) => [domain, table])),
      levels: [...new Set([...domains.values()].map(({ levels }) => levels))],
      rows,
    };
  } finally {
    await input.close();
  }
}

function firstLine(head: Uint8Array): string {
  return new TextDecoder('latin1').decode(head).split(/\r?\n/, 1)[0]!;
}

function contextOf(domain: number, levels: number, root: Frame): Context {
  const table = createPageTable({ levels: levels === 5 ? 5 : 4, rootFrame: root, addresses: 'physical' });
  return { domain, levels, table, nodes: new Map([[nodeKey(levels, 0), root]]) };
}

/** Whether the row fits what came before it. */
function enter({ table, levels, nodes }: Context, row: RegExpExecArray): boolean {
  const vpn = Number(BigInt(`0x${row[3]}`) >> pageBits);
  const level = Number(row[4]);
  const target = frameIn(row[5]!);
  if (level > levels || vpn >= 512 ** levels || !nodes.has(nodeKey(level, vpn))) return false;
  if (row[6]!.toUpperCase() === 'T') {
    if (level === 1) return false;
    nodes.set(nodeKey(level - 1, vpn), target);
    return true;
  }
  if (level > 3 || vpn % 512 ** (level - 1) !== 0 || target % 512 ** (level - 1) !== 0) return false;
  if (table.translate(vpn) !== -1) return false;
  table.map(vpn, target, level as PageLevel, (of, at) => nodes.get(nodeKey(of, at)) ?? 0);
  return true;
}

function nodeKey(level: number, vpn: number): string {
  return `${level}:${Math.floor(vpn / 512 ** level)}`;
}

function frameIn(entry: string): Frame {
  return Number((BigInt(`0x${entry}`) & addressBits) >> pageBits);
}

function malformed(path: string, line: number, text: string): StrataError {
  return new StrataError({
    code: 'tables.malformed-line',
    where: `${path}, line ${line}`,
    what: 'the line cannot be read, or its table has not come before it',
    expected:
      'a context entry `CE 100 did 12 hi c01 lo 5509001 levels 3 tt 0`, or an entry of its tables `100 12 ffeb6000 1 17ea85b0 5f28003 L`',
    found: quoted(text),
  });
}
