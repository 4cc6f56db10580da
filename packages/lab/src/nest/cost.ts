import { type Basis, costsOf, createExitModel, type ExplainNode, explain } from '@strata/model/nesting';
import type { Command } from 'commander';
import { addExamples } from '../terminal/help.ts';
import { addOutputOptions, emit, type OutputOptions } from '../terminal/output.ts';
import { type Row, renderTable, type Table } from '../terminal/table.ts';
import {
  addDvhOptions,
  addProfileOptions,
  type DvhOptions,
  kindOf,
  type ProfileOptions,
  profileOf,
  selectionOf,
  wholeNumber,
} from './options.ts';

interface CostOptions extends OutputOptions, ProfileOptions, DvhOptions {
  readonly level: string;
  readonly kind: string;
  readonly depth?: string;
}

export function registerCost(parent: Command): void {
  const command = parent.command('cost').description('what one exit costs at a level, and what that is made of');
  addDvhOptions(addProfileOptions(command))
    .requiredOption('--level <n>', 'level of the guest that exits: 1 is the first VM')
    .requiredOption('--kind <kind>', 'hypercall, devnotify, timer, ipi, cpuid, ... (strata nest profiles --kinds)')
    .option('--depth <n>', 'levels of the tree to unfold');
  addExamples(addOutputOptions(command), [
    'strata nest cost --profile dvh-paper --level 3 --kind hypercall --depth 2',
    'strata nest cost --level 2 --kind timer --dvh dvh --json',
  ]).action(async (options: CostOptions) => {
    const profile = await profileOf(options);
    const level = wholeNumber(options.level, '--level', 1);
    const kind = kindOf(profile, options.kind);
    const model = createExitModel(profile, selectionOf(options, level));
    const cost = model.cost(level, kind);
    const basis = costsOf(model).basis(level, kind);
    const error = costsOf(model).error(level, kind);
    const depth = options.depth === undefined ? undefined : wholeNumber(options.depth, '--depth');
    const document = {
      profile: profile.name,
      source: profile.source,
      level,
      kind,
      dvh: options.dvh ?? 'none',
      cycles: cost.cycles,
      hardwareExits: cost.hardwareExits,
      microseconds: cost.cycles / (profile.clockGHz * 1_000),
      basis,
      low: basis === 'fitted' ? cost.cycles : cost.cycles * (1 - error),
      high: basis === 'fitted' ? cost.cycles : cost.cycles * (1 + error),
      constants: profile.constants,
      notes: profile.notes,
      tree: explain(cost, depth),
    };
    const band = basis === 'fitted' ? 'fitted, exact by construction' : `${basis}, ± ${Math.round(100 * error)} %`;
    const tree = treeTable(explain(cost, depth ?? 2), document);
    await emit(
      {
        document,
        tables: [tree],
        text: [
          `${kind} from level ${level}: ${cost.cycles.toLocaleString('en-US')} cycles (${document.microseconds.toFixed(2)} µs at ${profile.clockGHz} GHz), ${cost.hardwareExits.toLocaleString('en-US')} hardware exits`,
          `profile ${profile.name} (${band}); ${profile.source}`,
          '',
          renderTable(tree),
          '',
          ...profile.notes,
        ].join('\n'),
      },
      options,
    );
  });
}

interface Whole {
  readonly basis: Basis;
  readonly low: number;
  readonly high: number;
}

/** Basis and band are those of the whole cost: its parts were never measured one by one. */
function treeTable(root: ExplainNode, { basis, low, high }: Whole): Table {
  const rows: Row[] = [];
  const visit = (node: ExplainNode, depth: number) => {
    rows.push({
      part: `${'  '.repeat(depth)}${node.label}${node.folded ? ' ...' : ''}`,
      count: node.count,
      cycles: node.cycles,
      exits: node.hardwareExits,
      basis,
      low: depth === 0 ? low : null,
      high: depth === 0 ? high : null,
    });
    for (const child of node.children ?? []) visit(child, depth + 1);
  };
  visit(root, 0);
  return {
    name: 'cost',
    columns: [
      { name: 'part', type: 'text' },
      { name: 'count', type: 'integer' },
      { name: 'cycles', type: 'integer' },
      { name: 'exits', type: 'integer', title: 'hardware exits' },
      { name: 'basis', type: 'text', title: 'basis of the whole' },
      { name: 'low', type: 'real', decimals: 0 },
      { name: 'high', type: 'real', decimals: 0 },
    ],
    rows,
  };
}
