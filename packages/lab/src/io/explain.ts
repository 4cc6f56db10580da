import {
  type CompatIoSimulation,
  CompatProbe,
  type CompatStep,
  createWatchedCompatSimulation,
  type IoMachine,
  type IoStep,
  type IoSubject,
  Probe,
  type ProtectionScheme,
  RecordedKind,
  ringSlots,
  type TranslationBlock,
} from '@strata/model/io';
import { hexAddress, StrataError } from '@strata/model/machine';
import { type CorrectInput, compatConfig, correctSetup, type RunContext, type RunInput, runCorrect } from './run.ts';
import { isIoLog, isRecording, openIoInput, openTranslations } from './trace.ts';

/** What the device asked for. */
export interface Descriptor {
  readonly translation: number;
  /** Number of the packet in a recording; null for generated queues. */
  readonly packet: number | null;
  /** What the address is for. */
  readonly part: string;
  readonly sid: number;
  readonly did: number;
  readonly pasid: number | null;
  /** Where the buffer was posted; null for addresses as recorded. */
  readonly ring: number | null;
  readonly slot: number | null;
  readonly iova: string;
  readonly bytes: number;
  readonly pageBytes: number;
}

type Recorded = Pick<Descriptor, 'iova' | 'pageBytes' | 'sid' | 'did'> & { readonly packet: number | null };

const parts = 3;
const pageBytes = [0, 2 ** 12, 2 ** 21, 2 ** 30];

/** Simulates as far as the translation, and tells its steps: the same engine as `run`. */
export async function explainTranslation(
  input: CorrectInput & { readonly translation: number },
  context: RunContext,
): Promise<{ readonly descriptor: Descriptor; readonly steps: readonly IoStep[] }> {
  const { translation } = input;
  const probe = new Probe(translation);
  // A packet that is lost is not translated; one that waits at its sender is not lost.
  await runCorrect({ ...input, set: ['arrival=backlog', ...(input.set ?? [])] }, context, probe);
  const { subject } = probe;
  const recorded = await recordedOf(input.trace, translation, context);
  if (subject === undefined && recorded === undefined)
    throw new StrataError({
      code: 'io.no-such-translation',
      what: 'the packets end before that translation',
      where: input.trace,
      expected: 'a smaller --translation, or more packets',
      found: String(translation),
    });
  if (subject === undefined || probe.steps.length === 0)
    throw new StrataError({
      code: 'io.lost-translation',
      what: `the packet of translation ${translation} is lost before it is translated`,
      where: input.trace,
      mend: 'Leave --set arrival=line out, or give it a larger receiveBuffer.',
    });
  const { scheme, machine } = correctSetup(input);
  return { descriptor: described(subject, translation, recorded, scheme, machine), steps: probe.steps };
}

async function recordedOf(path: string, translation: number, context: RunContext): Promise<Recorded | undefined> {
  if (!isRecording(path)) return undefined;
  return (await isIoLog(path)) ? descriptorInLog(path, translation, context) : descriptorOf(path, translation, context);
}

/** What the engine issued; of a recording also the packet, and the size of the page recorded. */
function described(
  subject: IoSubject,
  translation: number,
  recorded: Recorded | undefined,
  { translation: how, recordedLevel }: ProtectionScheme,
  { tenancy }: IoMachine,
): Descriptor {
  const { part, domain, requester, pasid, vpn, bytes, ring, slot } = subject;
  const keepsAddress = recordedLevel !== undefined || part !== 'data buffer';
  const address =
    how === 'ring' ? `slot ${vpn % ringSlots} of ring table ${Math.floor(vpn / ringSlots)}` : hexAddress(vpn);
  return {
    translation,
    packet: recorded?.packet ?? null,
    part,
    sid: requester,
    did: domain,
    pasid: tenancy === 'pasid' ? pasid : null,
    ring: ring < 0 ? null : ring,
    slot: slot < 0 ? null : slot,
    iova: recorded !== undefined && keepsAddress && how !== 'ring' ? recorded.iova : address,
    bytes,
    pageBytes: recorded !== undefined && keepsAddress ? recorded.pageBytes : 4096,
  };
}

export interface CompatDescriptor {
  readonly translation: number;
  readonly packet: number;
  /** Which of the packet's translations. */
  readonly part: string;
  readonly sid: number;
  readonly did: number;
  readonly iova: string;
  readonly pageBytes: number;
}

export interface CompatExplanation {
  readonly descriptor: CompatDescriptor;
  readonly steps: readonly CompatStep[];
  /** What the original reports: waiting for a queue's turn is not in it. Null for a request that it loses (quirk Q6). */
  readonly reportedNs: number | null;
}

/** Simulates as far as the translation, and tells what the original's model does with it. */
export async function explainCompat(
  input: RunInput & { readonly translation: number },
  context: RunContext,
): Promise<CompatExplanation> {
  const { translation } = input;
  const descriptor = await descriptorOf(input.trace, translation, context);
  const probe = new CompatProbe(translation);
  await simulateWatched(input, createWatchedCompatSimulation(compatConfig(input), probe), probe, context);
  const { packet, sid, did, iova, pageBytes } = descriptor;
  const part = `translation ${(translation % parts) + 1} of ${parts}`;
  return {
    descriptor: { translation, packet, part, sid, did, iova, pageBytes },
    steps: probe.steps,
    reportedNs: probe.reportedNs ?? null,
  };
}

async function simulateWatched(
  input: RunInput,
  simulation: CompatIoSimulation,
  probe: CompatProbe,
  { signal, progress }: RunContext,
): Promise<void> {
  const trace = await openTranslations(input.trace, { signal, nextAccess: input.replacement === 'oracle' });
  let done = 0;
  try {
    for await (const block of trace.blocks()) {
      signal.throwIfAborted();
      simulation.feed(block);
      done += block.length;
      progress.update({ done, share: trace.progress() });
      if (probe.isLost || probe.reportedNs !== undefined) return;
    }
    simulation.finish();
  } catch (error) {
    // That the link stands still once a request is lost is what the steps say.
    if (!probe.isLost) throw error;
  }
}

async function descriptorOf(
  path: string,
  translation: number,
  { signal }: RunContext,
): Promise<Recorded & { readonly packet: number }> {
  const trace = await openTranslations(path, { signal });
  let first = 0;
  for await (const block of trace.blocks()) {
    if (translation < first + block.length) {
      return { packet: Math.floor(translation / parts), ...recordedAt(block, translation - first) };
    }
    first += block.length;
  }
  throw noSuchTranslation(path, translation, first);
}

/** Of a log, whose DMAs stand between commands. */
async function descriptorInLog(path: string, translation: number, { signal }: RunContext): Promise<Recorded> {
  const log = await openIoInput(path, { signal });
  let translations = 0;
  if (log.kind === 'recording')
    for await (const block of log.blocks())
      for (let at = 0; at < block.length; at++) {
        if (block.kind[at] !== RecordedKind.translation) continue;
        if (translations++ === translation) return { packet: null, ...recordedAt(block, at) };
      }
  throw noSuchTranslation(path, translation, translations);
}

function recordedAt(block: TranslationBlock, at: number): Omit<Recorded, 'packet'> {
  const iova = (BigInt(block.iovaHi[at]!) << 32n) | BigInt(block.iovaLo[at]!);
  return {
    sid: block.sid[at]!,
    did: block.did[at]!,
    iova: `0x${iova.toString(16)}`,
    pageBytes: pageBytes[block.level[at]!] ?? 0,
  };
}

function noSuchTranslation(path: string, translation: number, count: number): StrataError {
  return new StrataError({
    code: 'io.no-such-translation',
    what: 'the trace ends before that translation',
    where: path,
    expected: `--translation from 0 to ${count - 1}`,
    found: String(translation),
  });
}
