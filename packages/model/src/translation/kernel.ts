import { unlikeAnyOther } from '../machine/print/compile.ts';
import { type AccessStream, Touch } from './access-stream.ts';
import { createDesignLoop, type DesignStage, type DesignStageLoop } from './design-stage.ts';
import {
  canonicalShift,
  createTlbStage,
  type TlbStageLoop,
  type TlbStageParts,
  type TlbStageSlow,
  translatedHigh,
} from './tlb-stage.ts';

/**
 * The two hot loops printed as JavaScript of their own: every simulation and every design gets a function that the compiler sees used with
 * one TLB, one set of caches and one core count, and inlines accordingly. Where a page's security policy forbids `new Function`,
 * the loops of the source run instead; results are equal.
 */
export function printTlbStage(parts: TlbStageParts, slow: TlbStageSlow): TlbStageLoop {
  const { tlb, cores, stream, counts, oneForAll, makeRoom, levels } = parts;
  const factory = compile(
    ['tlb', 'cores', 'stream', 'counts', 'makeRoom', 'slow'],
    `const { line, walk, core: coreOfElement, touch, process: processOfElement } = stream;
const { kinds } = counts;
const { coreOf } = cores;
const { lookup } = tlb;
const { miss, further, event } = slow;
return (block, from, to) => {
  const { kind, thread, hi, lo, process, size } = block;
  let length = stream.length, limit = stream.limit;
  let lines = 0;
  for (let index = from; index < to; index++) {
    const what = kind[index];
    if (what > 3) { event(what, thread[index]); continue; }
    const high = hi[index];
    const sign = high >> ${canonicalShift[levels]};
    if (sign !== 0 && sign !== -1) { counts.notCanonical++; continue; }
    const low = lo[index];
    const page = (high & ${translatedHigh[levels]}) * 1048576 + (low >>> 12);
    const owner = ${oneForAll ? '0' : 'process[index]'};
    const core = coreOf(thread[index]);
    const isFetch = what === 2;
    let walked = -1;
    let frame = lookup(core, page, isFetch, owner);
    if (frame < 0) {
      walked = high * 1048576 + (low >>> 12);
      stream.length = length;
      frame = miss(core, page, walked, isFetch, owner);
      length = stream.length;
      limit = stream.limit;
      if (frame < 0) { counts.notMapped++; continue; }
      counts.walks++;
    }
    kinds[what]++;
    lines++;
    line[length] = frame * 64 + ((low >>> 6) & 63);
    walk[length] = walked;
    coreOfElement[length] = core;
    touch[length] = isFetch ? ${Touch.fetch} : ${Touch.data};
    processOfElement[length] = owner;
    length++;
    if ((low & 63) + size[index] > 64) {
      stream.length = length;
      further(block, index, core, frame);
      length = stream.length;
      limit = stream.limit;
    }
    if (length >= limit) {
      stream.length = length;
      makeRoom();
      length = stream.length;
      limit = stream.limit;
    }
  }
  stream.length = length;
  counts.lines += lines;
};`,
  );
  if (factory === undefined) return createTlbStage(parts, slow);
  return factory(tlb, cores, stream, counts, makeRoom, slow) as TlbStageLoop;
}

/** @param stage whose streams have been filtered (`createFirstLevelFilter`): fetches left are those that missed */
export function printDesignLoop(stage: DesignStage): DesignStageLoop {
  const looksAhead = stage.caches.ahead !== undefined;
  const factory = compile(
    ['stage'],
    `const { walkFor, caches: { access, fetchMissed, passed, ahead } } = stage;
${looksAhead ? printLookAhead() : ''}
return (stream) => {
  const { length, line, walk, core, touch, leftOut } = stream;
  ${looksAhead ? 'let known = 0;' : ''}
  for (let index = 0; index < length; index++) {
    ${stage.caches.passed === undefined ? '' : 'if (leftOut[index] > 0) passed(leftOut[index]);'}
    if (walk[index] >= 0) {
      ${looksAhead ? 'if (index >= known) known = lookAhead(walk, line, index, length);' : ''}
      walkFor(stream, index);
    }
    if (touch[index] === ${Touch.data}) access(core[index], line[index], false);
    else if (touch[index] === ${Touch.fetchMissed}) fetchMissed(core[index], line[index]);
  }
};`,
  );
  if (factory === undefined) return createDesignLoop(stage);
  return factory(stage) as (stream: AccessStream) => void;
}

/**
 * What a walk was made for is accessed next, and no cache is likely to have it: such lines are told in groups. Returns the index behind
 * those that were looked at.
 */
function printLookAhead(): string {
  return `const { lines, begin } = ahead;
function lookAhead(walk, line, from, length) {
  const end = Math.min(length, from + lines.length);
  let count = 0;
  for (let index = from; index < end; index++) if (walk[index] >= 0) lines[count++] = line[index];
  begin(count);
  return end;
}`;
}

type Factory = (...parts: readonly unknown[]) => unknown;

/** The function with that body, or undefined where making functions of text is forbidden. */
function compile(parameters: readonly string[], body: string): Factory | undefined {
  try {
    return new Function(...parameters, `'use strict'; ${unlikeAnyOther()}\n${body}`) as Factory;
  } catch (error) {
    if (error instanceof EvalError) return undefined;
    throw error;
  }
}
