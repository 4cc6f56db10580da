import { fileURLToPath } from 'node:url';
import {
  allSetUps,
  applications,
  costsOf,
  createExitModel,
  eventCostsOf,
  measuredCycles,
  measuredKinds,
  nestingClaims,
  planSetUp,
  profiles,
  selectMechanisms,
  simulateLatency,
} from '@strata/model/nesting';
import { type ExitRecording, importExits } from '@strata/traces/nesting';
import { type ClaimVerdict, judge, leaveOpen, reasonOf } from '../claims/verdict.ts';
import type { Figure } from '../figures/figure.ts';
import { type Row, tableOf } from '../terminal/table.ts';
import type { Part } from './part.ts';

const profile = profiles.get('dvh-paper');

/** ftrace of KVM while a Debian kernel boots as its guest. Times inside the emulator mean nothing, counts and order do. */
const bootRecording = fileURLToPath(
  new URL('../../../traces/fixtures/kvm_exit-l2boot-ftrace.txt.zst', import.meta.url),
);

/** Exits at depth: Table 3 of DVH, the figures of its neighbours, and the artifact's applications with assumed exits. */
export const nestingPart: Part = {
  name: 'nesting',
  summary: 'VM exits at depth, DVH (ASPLOS 2020), Turtles, NEVE, PVM',
  inputs: () => [{ role: 'exits', path: bootRecording }],
  claims: async () => verdicts(await importExits(bootRecording)),
  async run({ signal }) {
    const boot = await importExits(bootRecording, { signal });
    const costs = costRows();
    const overheads = overheadRows();
    const judged = verdicts(boot);
    return {
      stats: {
        profile: profile.name,
        costs,
        overheads,
        boot: { lines: boot.lines, exits: boot.total, reasons: Object.fromEntries(boot.reasons) },
      },
      tables: [
        tableOf('nesting_costs', costs),
        tableOf('nesting_applications', overheads),
        tableOf('nesting_boot', bootRows(boot)),
      ],
      figures: [costFigure(costs), overheadFigure(overheads)],
      claims: judged,
      warnings: [
        'nesting: exits per operation of the seven applications are assumed, the publication gives none: their overheads show directions, not figures.',
        ...judged.filter(({ verdict }) => verdict === 'open').map((verdict) => `nesting: ${reasonOf(verdict)}.`),
      ],
      notModelled: profile.notes,
    };
  },
};

/** Claims that assumed exits or unpublished figures would decide stay open, with what the model gives and, for applications, what a recording says. */
function verdicts({ kinds }: ExitRecording): ClaimVerdict[] {
  const mix = mixSentence(kinds);
  return nestingClaims.map((claim) => {
    if (claim.open === undefined) return judge(claim, claim.value(), `${claim.how} by the model`);
    return leaveOpen(claim, claim.value(), `${claim.open}${claim.how === 'assumed' ? `. ${mix}` : ''}`);
  });
}

/** From which share of time in exits on a VM becomes three times slower one level deeper, for the recorded mix. */
function mixSentence(kinds: ExitRecording['kinds']): string {
  const spent = (level: number, dvh: string) => {
    const model = createExitModel(profile, selectMechanisms(dvh));
    return [...kinds].reduce((sum, [kind, count]) => sum + count * model.cost(level, kind).cycles, 0);
  };
  const nested = spent(2, 'none') / spent(1, 'none');
  const dvh = spent(2, 'dvh') / spent(1, 'none');
  return `The exits of the recorded boot cost ${nested.toFixed(1)} times as much nested (${dvh.toFixed(1)} with DVH): with their mix a VM that spends more than ${(200 / (nested - 1)).toFixed(0)} % of its time on exits is over 3 times slower nested`;
}

function costRows(): Row[] {
  return [1, 2, 3].flatMap((level) =>
    ['none', 'dvh'].flatMap((dvh) => {
      const model = createExitModel(profile, selectMechanisms(dvh));
      return level === 1 && dvh === 'dvh'
        ? []
        : measuredKinds.map((kind): Row => {
            const { cycles, hardwareExits } = model.cost(level, kind);
            const published = measuredCycles(level, kind, dvh === 'dvh')!;
            const basis = costsOf(model).basis(level, kind);
            return {
              kind,
              level,
              dvh,
              cycles,
              hardwareExits,
              published,
              errorPercent: 100 * (cycles / published - 1),
              basis,
            };
          });
    }),
  );
}

/** What handling the recorded exits costs once, per kind and level: the boot one level deeper, and one more. */
function bootRows({ kinds }: ExitRecording): Row[] {
  const model = createExitModel(profile);
  return [...kinds].flatMap(([kind, exits]) =>
    [1, 2, 3].map((level): Row => {
      const seconds = (exits * model.cost(level, kind).cycles) / (profile.clockGHz * 1e9);
      return { kind, exits, level, seconds, basis: costsOf(model).basis(level, kind) };
    }),
  );
}

function overheadRows(): Row[] {
  return applications.flatMap((application) => {
    const rate = (level: number, configuration: Parameters<typeof planSetUp>[1]) =>
      simulateLatency(application, eventCostsOf(profile, planSetUp(level, configuration), application))
        .operationsPerSecond;
    const native = rate(0, 'base');
    return allSetUps().map(
      ({ id, level, configuration }): Row => ({
        application: application.name,
        setUp: id,
        level,
        configuration,
        overhead: native / rate(level, configuration),
        exits: 'assumed',
      }),
    );
  });
}

function costFigure(rows: readonly Row[]): Figure {
  return {
    name: 'exit-cost-at-depth',
    title: 'Cost of one exit at depth',
    caption:
      'Cycles per exit by the model and in Table 3 of the DVH paper, logarithmic. Level 1, hypercall at level 2 and the direct exits of DVH are fitted; all else is predicted.',
    width: 'double',
    spec: {
      encoding: {
        y: { field: 'exit', type: 'nominal', sort: null, title: null },
        x: {
          field: 'cycles',
          type: 'quantitative',
          title: 'Cycles per exit',
          scale: { type: 'log', nice: false, domain: [1_000, 2_000_000] },
        },
        shape: { field: 'from', type: 'nominal', sort: null, title: 'Basis' },
        color: { field: 'from', type: 'nominal', sort: null, title: 'Basis' },
      },
      mark: { type: 'point', filled: false, size: 45 },
    },
    rows: rows.flatMap(({ kind, level, dvh, cycles, published, basis }): Row[] => {
      const exit = `${kind}, L${level}${dvh === 'dvh' ? ' + DVH' : ''}`;
      return [
        { exit, cycles: cycles ?? null, from: String(basis) },
        { exit, cycles: published ?? null, from: 'published' },
      ];
    }),
  };
}

function overheadFigure(rows: readonly Row[]): Figure {
  return {
    name: 'application-overheads',
    title: 'Overhead of the applications, exits assumed',
    caption:
      "Slowdown against native of the artifact's seven applications in its eleven set-ups, simulated event by event with assumed exits per operation: directions, not figures of the publication.",
    width: 'double',
    spec: {
      mark: { type: 'point', filled: true, size: 40 },
      encoding: {
        y: { field: 'application', type: 'nominal', sort: null, title: null },
        x: {
          field: 'overhead',
          type: 'quantitative',
          title: 'Slowdown (native = 1)',
          scale: { type: 'log', domain: [0.9, 100] },
        },
        shape: { field: 'configuration', type: 'nominal', title: 'Configuration' },
        // Deeper is darker, also on a grey print.
        color: {
          field: 'level',
          type: 'ordinal',
          title: 'Level',
          scale: { range: ['#a6d8f5', '#56B4E9', '#0072B2', '#000000'] },
        },
      },
    },
    rows,
  };
}
