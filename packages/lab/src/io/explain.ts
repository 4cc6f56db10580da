import type { IoStep } from '@strata/model/io';
import { StrataError } from '@strata/model/machine';
import { type CorrectInput, type RunContext, runCorrect } from './run.ts';
import { openTranslations } from './trace.ts';

/** What the device asked for. */
export interface Descriptor {
  readonly translation: number;
  readonly packet: number;
  /** What the address is for. */
  readonly part: string;
  readonly sid: number;
  readonly did: number;
  readonly iova: string;
  readonly pageBytes: number;
}

const parts = ['descriptor (ring)', 'data buffer', 'completion (mailbox)'];
const pageBytes = [0, 2 ** 12, 2 ** 21, 2 ** 30];

/** Simulates as far as the translation, and tells its steps: the same engine as `run`. */
export async function explainTranslation(
  input: CorrectInput & { readonly translation: number },
  context: RunContext,
): Promise<{ readonly descriptor: Descriptor; readonly steps: readonly IoStep[] }> {
  const { translation } = input;
  const descriptor = await descriptorOf(input.trace, translation, context);
  // A packet that is lost is not translated; a buffer large enough loses none before this one.
  const set = [`receiveBuffer=${Math.max(64, translation + 1)}`, ...(input.set ?? [])];
  const { steps } = await runCorrect({ ...input, set }, context, translation);
  return { descriptor, steps };
}

async function descriptorOf(path: string, translation: number, { signal }: RunContext): Promise<Descriptor> {
  const trace = await openTranslations(path, { signal });
  let first = 0;
  for await (const block of trace.blocks()) {
    if (translation < first + block.length) {
      const at = translation - first;
      const iova = (BigInt(block.iovaHi[at]!) << 32n) | BigInt(block.iovaLo[at]!);
      return {
        translation,
        packet: Math.floor(translation / parts.length),
        part: parts[translation % parts.length]!,
        sid: block.sid[at]!,
        did: block.did[at]!,
        iova: `0x${iova.toString(16)}`,
        pageBytes: pageBytes[block.level[at]!] ?? 0,
      };
    }
    first += block.length;
  }
  throw new StrataError({
    code: 'io.no-such-translation',
    what: 'the trace ends before that translation',
    where: path,
    expected: `--translation from 0 to ${first - 1}`,
    found: String(translation),
  });
}
