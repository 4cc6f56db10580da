import { vpnOfAddress } from '@strata/model/machine';
import { type Explanation, explainWalk, resolveTranslationConfig } from '@strata/model/translation';
import type { Row, Table } from '../terminal/table.ts';
import { split } from './configuration.ts';
import { configurationOf, type TranslateOptions } from './options.ts';
import { prepareSpaces } from './spaces.ts';
import { translate } from './study.ts';
import { ofTables } from './tables-input.ts';

export interface ExplainRequest extends TranslateOptions {
  readonly design: string;
  /** Walk once before. */
  readonly warm?: boolean;
}

/** The walk for one address over tables from files (or built by the model below them), by the design itself. */
export async function explain(
  address: bigint,
  request: ExplainRequest,
  onWarning: (text: string) => void = () => {},
): Promise<Explanation> {
  const { design, warm = false, ...options } = request;
  const given = await configurationOf({ ...options, designs: design });
  // No trace is read; the configuration of a study wants one all the same.
  const { input, rest } = split(translate.resolve({ ...given, trace: options.tables }));
  const config = resolveTranslationConfig(rest);
  const { of, warnings } = await ofTables(prepareSpaces(input, config));
  for (const warning of warnings) onWarning(warning);
  const vpn = vpnOfAddress(address);
  return explainWalk(config, of(0), {
    design,
    vpn,
    offset: Number(address & 0xfffn),
    ...(warm ? { before: [vpn] } : {}),
  });
}

export function explainedTable({ references }: Explanation): Table {
  return {
    name: 'references',
    columns: [
      { name: 'step', type: 'integer', title: '#' },
      { name: 'reads', type: 'text' },
      { name: 'dimension', type: 'integer', title: 'dim' },
      { name: 'level', type: 'integer' },
      { name: 'table', type: 'text', title: 'table at' },
      { name: 'address', type: 'text', title: 'physical address' },
      { name: 'where', type: 'text', title: 'hit' },
      { name: 'cycles', type: 'integer' },
      { name: 'target', type: 'text', title: 'entry leads to' },
      { name: 'awaited', type: 'flag' },
    ],
    rows: references.map(
      ({ label, where, ...reference }, at): Row => ({
        step: at + 1,
        reads: label,
        where: where.toUpperCase(),
        ...reference,
      }),
    ),
  };
}

/** One line below the table. */
export function explanationSummary(explanation: Explanation): string {
  const { virtualAddress, physicalAddress, references, cycles, otherCycles, setup, design } = explanation;
  const awaited = references.filter((reference) => reference.awaited).length;
  const beside = otherCycles > 0 ? `, ${otherCycles} of them beside the references` : '';
  return `${virtualAddress} -> ${physicalAddress} (${design}, ${setup}): ${references.length} references, ${awaited} one after the other, ${cycles} cycles${beside}`;
}
