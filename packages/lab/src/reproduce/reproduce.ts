import { createRegistry, integer, type Registry, resolve, StrataError, suggestion, text } from '@strata/model/machine';
import type { ClaimVerdict } from '../claims/verdict.ts';
import type { Outcome, Study, StudyContext } from '../studies/study.ts';
import { elasticityPart } from './elasticity.ts';
import { farPart } from './far.ts';
import { ioPart } from './io.ts';
import { nestingPart } from './nesting.ts';
import type { Part, PartOutcome } from './part.ts';
import { translationPart } from './translation.ts';

/** The parts of the main job, in the order of the report. */
export const parts: Registry<Part> = createRegistry<Part>('part', [
  translationPart,
  ioPart,
  nestingPart,
  elasticityPart,
  farPart,
]);

/** Seed of everything random in the main job. */
export const reproduceSeed = 42;

const fields = {
  only: text('', 'one part; empty = all'),
  seed: integer(reproduceSeed, 'fixed: the claims are held against this one', {
    min: reproduceSeed,
    max: reproduceSeed,
  }),
};

/** The main job: every part on the recordings of the repository. */
export const reproduce: Study = {
  name: 'reproduce',
  summary: 'every published system, from the recordings in the repository',
  resolve: (given) => {
    const configuration = resolve(fields, given);
    chosenParts(configuration.only);
    return { ...configuration };
  },
  inputs: ({ only }) => chosenParts(only).flatMap((part) => part.inputs()),
  async execute({ only }, context) {
    const outcomes: [string, PartOutcome][] = [];
    for (const part of chosenParts(only)) {
      if (context.signal.aborted) break;
      context.progress.note(`strata: ${part.name}: ${part.summary}`);
      const outcome = await completed(part, context);
      if (outcome !== undefined) outcomes.push([part.name, outcome]);
    }
    return together(outcomes, context.signal.aborted);
  },
};

/** Undefined when an interrupt leaves nothing of the part to show; the parts before it are kept. */
async function completed(part: Part, context: StudyContext): Promise<PartOutcome | undefined> {
  try {
    return await part.run(context);
  } catch (error) {
    if (!context.signal.aborted) throw error;
    return undefined;
  }
}

/** The claims of the parts (of all when `only` is absent), measured now. */
export async function evaluateClaims(
  only: string | undefined,
  context: StudyContext,
): Promise<readonly ClaimVerdict[]> {
  const verdicts: ClaimVerdict[] = [];
  for (const part of chosenParts(only)) verdicts.push(...(await part.claims(context)));
  return verdicts;
}

function chosenParts(only: unknown): readonly Part[] {
  if (only === '' || only === undefined) return [...parts];
  if (typeof only === 'string' && parts.has(only)) return [parts.get(only)];
  throw new StrataError({
    code: 'registry.unknown-name',
    what: `unknown part ${String(only)}`,
    mend: suggestion(String(only), parts.names),
  });
}

function together(outcomes: readonly (readonly [string, PartOutcome])[], interrupted: boolean): Outcome {
  const all = outcomes.map(([, outcome]) => outcome);
  return {
    stats: {
      parts: Object.fromEntries(outcomes.map(([name, { stats }]) => [name, stats])),
      claims: all.flatMap(({ claims }) =>
        claims.map(({ claim, measured, verdict }) => ({ id: claim.id, measured: measured ?? null, verdict })),
      ),
    },
    tables: all.flatMap(({ tables }) => tables),
    figures: all.flatMap(({ figures }) => figures),
    claims: all.flatMap(({ claims }) => claims),
    warnings: [...new Set(all.flatMap(({ warnings }) => warnings))],
    notModelled: [...new Set(all.flatMap(({ notModelled }) => notModelled))],
    assumptions: Object.assign({}, ...all.map(({ assumptions }) => assumptions)),
    interrupted,
  };
}
