import { type PageLevel, pagesIn } from '../address.ts';
import type { Random } from '../random.ts';
import {
  createTlb,
  dropAll,
  dropPages,
  dropProcess,
  type InvalidatedArray,
  namedTlbCounts,
  type Tlb,
  type TlbArrayShape,
  type TlbOptions,
  type TlbShape,
  tlbCounterCount,
  tlbRandoms,
  tlbShapesOf,
  tooManyProcesses,
} from '../tlb.ts';
import { canCompile, compile } from './compile.ts';
import { printStore } from './store.ts';

interface PrintedArray {
  remove(core: number, key: number): boolean;
  keyAt(slot: number): number;
}

interface PrintedParts extends Pick<Tlb, 'lookup' | 'lastLevel' | 'fill' | 'clear'> {
  /** By TLB, then array. */
  readonly arrays: readonly (readonly PrintedArray[])[];
  /** Whether anything was filled since the last time that this was asked. */
  filled(): boolean;
}

/**
 * The TLBs of `createTlb` printed as one module for their geometries: same answers, same counters. Falls back to the interpreted version
 * where code from text is forbidden or a policy cannot be printed.
 * @throws StrataError as `createTlb`
 */
export function createPrintedTlb(options: TlbOptions, random: Random): Tlb {
  const { cores, pageNumberBits } = options;
  const shapes = tlbShapesOf(options);
  const source = printTlb(shapes, options);
  if (source === undefined || !canCompile()) return createTlb(options, random);

  const counters = new Float64Array(tlbCounterCount);
  const randoms = tlbRandoms(shapes, cores, random);
  const fail = (process: number, tlb: number, array: number) => {
    throw tooManyProcesses(process, shapes[tlb]!.arrays[array]!.keySpace);
  };
  const { arrays, filled, ...parts } = compile<PrintedParts>(source, { counters, randoms, fail });
  const invalidated = shapes.flatMap((shape, tlb) =>
    shape.arrays.flatMap((array, index) => invalidatedOf(array, arrays[tlb]![index]!, cores)),
  );
  const limit = 2 ** pageNumberBits;
  return {
    ...parts,
    invalidate: (process, vpn, pages) =>
      invalidated.reduce((sum, array) => sum + dropPages(array, process, vpn % limit, pages), 0),
    invalidateProcess: (process) => invalidated.reduce((sum, array) => sum + dropProcess(array, process), 0),
    invalidateAll: () => (filled() ? invalidated.reduce((sum, array) => sum + dropAll(array), 0) : 0),
    counts: () => namedTlbCounts(counters),
    resetCounts: () => {
      counters.fill(0);
    },
  };
}

function invalidatedOf(shape: TlbArrayShape, { remove, keyAt }: PrintedArray, cores: number): InvalidatedArray[] {
  const slots = shape.geometry.sets * shape.geometry.ways;
  return Array.from({ length: cores }, (_, core) => ({
    shape,
    slots,
    remove: (key: number) => remove(core, key),
    keyAt: (slot: number) => keyAt(core * slots + slot),
  }));
}

function printTlb(shapes: readonly TlbShape[], { cores, pageNumberBits }: TlbOptions): string | undefined {
  const levels: string[] = [];
  for (const [index, shape] of shapes.entries()) {
    const level = printLevel(shape, index, cores);
    if (level === undefined) return undefined;
    levels.push(level);
  }
  const limit = 2 ** pageNumberBits;
  const effective = `if (vpn >= ${limit}) vpn -= Math.floor(vpn / ${limit}) * ${limit};`;
  const names = shapes.map(({ name, arrays }) => arrays.map((_, array) => `${name}${array}_`));
  return `let found = 0, last = 0, isFilled = false;
${levels.join('\n')}
function second(core, vpn, isFetch, process) {
  const frame = l2_find(core, vpn, process);
  if (frame < 0) { counters[5]++; last = 0; return -1; }
  counters[4]++;
  last = 2;
  if (isFetch) l1i_fill(core, vpn, process, frame, found);
  else l1d_fill(core, vpn, process, frame, found);
  return frame;
}
return {
  lookup(core, vpn, isFetch, process) {
    ${effective}
    if (isFetch) {
      const frame = l1i_find(core, vpn, process);
      if (frame >= 0) { counters[0]++; last = 1; return frame; }
      counters[1]++;
    } else {
      const frame = l1d_find(core, vpn, process);
      if (frame >= 0) { counters[2]++; last = 1; return frame; }
      counters[3]++;
    }
    return second(core, vpn, isFetch, process);
  },
  lastLevel: () => last,
  fill(core, vpn, isFetch, process, frame, level) {
    ${effective}
    isFilled = true;
    l2_fill(core, vpn, process, frame, level);
    if (isFetch) l1i_fill(core, vpn, process, frame, level);
    else l1d_fill(core, vpn, process, frame, level);
  },
  clear() { ${names
    .flat()
    .map((name) => `${name}clear();`)
    .join(' ')} },
  filled() { const was = isFilled; isFilled = false; return was; },
  arrays: [${names.map((of) => `[${of.map((name) => `{ remove: ${name}remove, keyAt: (slot) => ${name}keys[slot] }`)}]`)}],
};`;
}

/** The stores of one TLB with their frames, and its `find` and `fill`. */
function printLevel({ name, arrays, heldAs }: TlbShape, index: number, cores: number): string | undefined {
  const stores: string[] = [];
  for (const [array, { geometry }] of arrays.entries()) {
    const prefix = `${name}${array}_`;
    const store = printStore(prefix, geometry, cores, `randoms[${index}][${array}]`);
    if (store === undefined) return undefined;
    stores.push(`${store}\nconst ${prefix}frames = new Float64Array(${cores * geometry.sets * geometry.ways});`);
  }
  const probes = arrays.flatMap(({ levels, keySpace }, array) =>
    levels.map((level) => {
      const { key, inPage } = printPage(level, keySpace);
      const probe = `const slot = ${name}${array}_lookup(core, ${key});
    if (slot >= 0) { found = ${level}; return ${name}${array}_frames[slot] + ${inPage}; }`;
      return level === 1 ? `{ ${probe} }` : `if (${name}_holds${level}) { ${probe} }`;
    }),
  );
  const fills = ([1, 2, 3] as const).map((pageLevel) => {
    const { level, array } = heldAs[pageLevel]!;
    const { keySpace } = arrays[array]!;
    const prefix = `${name}${array}_`;
    const { key, inPage } = printPage(level, keySpace);
    return `if (level === ${pageLevel}) {
    if (process >= ${keySpace.processes}) fail(process, ${index}, ${array});
    ${level === 1 ? '' : `${name}_holds${level} = true;`}
    const key = ${key};
    let slot = ${prefix}peek(core, key);
    if (slot < 0) slot = ${prefix}insert(core, key);
    ${prefix}frames[slot] = frame - ${inPage};
    return;
  }`;
  });
  return `${stores.join('\n')}
// Sizes that were never placed are not looked for.
let ${name}_holds2 = false, ${name}_holds3 = false;
function ${name}_find(core, vpn, process) {
  ${probes.join('\n  ')}
  return -1;
}
function ${name}_fill(core, vpn, process, frame, level) {
  ${fills.join('\n  ')}
}`;
}

/** Expressions for the key of the page of that size around `vpn`, and the place of `vpn` in it. */
function printPage(
  level: PageLevel,
  { perProcess, offsets }: TlbArrayShape['keySpace'],
): { key: string; inPage: string } {
  if (level === 1) return { key: `process * ${perProcess} + vpn`, inPage: '0' };
  const pages = pagesIn[level];
  const page = `Math.floor(vpn / ${pages})`;
  return { key: `process * ${perProcess} + ${offsets[level]} + ${page}`, inPage: `(vpn - ${page} * ${pages})` };
}
