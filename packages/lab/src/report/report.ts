import { type ClaimVerdict, expectationText } from '../claims/verdict.ts';
import type { Manifest } from '../runs/manifest.ts';
import type { DrawnFigure } from '../runs/run-folder.ts';
import type { Assumptions, Outcome } from '../studies/study.ts';
import { formatBytes, formatDuration } from '../terminal/quantities.ts';
import { shownCell, type Table } from '../terminal/table.ts';
import { reportStyle } from './style.ts';

/** Rows of a table that the page shows; the rest is in the Parquet file. */
const shownRows = 200;

/** One self-contained page: no script, nothing fetched, prints well. */
export function htmlReport(
  title: string,
  manifest: Omit<Manifest, 'outputs'>,
  outcome: Outcome,
  figures: readonly DrawnFigure[],
): string {
  const parts = [
    header(title, manifest, outcome),
    outcome.claims.length > 0 ? claimsSection(outcome.claims) : '',
    warningsSection(outcome.warnings),
    figures.length > 0 ? section('figures', 'Figures', figures.map(figureOf).join('\n')) : '',
    outcome.tables.length > 0 ? section('tables', 'Tables', outcome.tables.map(tableOf).join('\n')) : '',
    provenance(outcome),
    assumptionsSection(outcome.assumptions),
    limits(outcome.notModelled),
    manifestSection(manifest),
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>${html(title)} · Strata</title>
<style>${reportStyle}</style>
</head>
<body>
${parts.filter((part) => part !== '').join('\n')}
</body>
</html>
`;
}

function header(title: string, manifest: Omit<Manifest, 'outputs'>, outcome: Outcome): string {
  const counted = (verdict: ClaimVerdict['verdict']) =>
    outcome.claims.filter((claim) => claim.verdict === verdict).length;
  const failing = counted('does not hold');
  const claims =
    outcome.claims.length === 0
      ? ''
      : `<p class="verdicts"><b>${counted('holds')}</b> of ${outcome.claims.length} claims hold${
          failing > 0 ? `, <b class="bad">${failing} ${failing === 1 ? 'does' : 'do'} not</b>` : ''
        }${counted('open') > 0 ? `, ${counted('open')} open` : ''}.</p>`;
  return `<header>
<p class="brand">Strata, a laboratory for virtualization overheads</p>
<h1>${html(title)}</h1>
<p class="facts"><code>strata ${html(manifest.command.join(' '))}</code><br>
${html(manifest.startedAt.slice(0, 16).replace('T', ' '))} UTC, ${formatDuration(manifest.seconds)},
Strata ${html(manifest.versions.strata)}, Node ${html(manifest.versions.node)}, seed ${manifest.seed}</p>
${outcome.interrupted ? '<p class="warning">This run was interrupted: everything here is complete only as far as it went.</p>' : ''}
${claims}
</header>`;
}

function claimsSection(claims: readonly ClaimVerdict[]): string {
  const rows = claims.map(
    ({ claim, measured, verdict, how }) => `<tr>
<td>${html(claim.statement)}<div class="small">${html(claim.id)}${how ? ` · ${html(how)}` : ''}${restsOn(claim)}</div></td>
<td>${html(claim.published)}<div class="small">${html(claim.source)}</div></td>
<td class="number">${measured === undefined ? '–' : html(numeral(measured))}${claim.unit ? ` <span class="small">${html(claim.unit)}</span>` : ''}
<div class="small">expected ${html(expectationText(claim.expectation))}</div></td>
<td><span class="verdict ${verdictClass[verdict]}">${verdictMark[verdict]} ${verdict}</span>${claim.rests === undefined ? '' : `<div class="small basis">${claim.rests.on}</div>`}</td>
</tr>`,
  );
  return section(
    'claims',
    'Claims',
    `<table class="claims"><thead><tr><th>Statement</th><th>Published</th><th class="number">Measured</th><th>Verdict</th></tr></thead>
<tbody>${rows.join('\n')}</tbody></table>`,
  );
}

function restsOn({ rests }: ClaimVerdict['claim']): string {
  return rests === undefined ? '' : ` · <b>${rests.on}</b>: ${html(rests.what)}`;
}

const verdictClass = { holds: 'good', 'does not hold': 'bad', open: 'open' } as const;
const verdictMark = { holds: '✓', 'does not hold': '✗', open: '○' } as const;

function warningsSection(warnings: readonly string[]): string {
  if (warnings.length === 0) return '';
  return section('warnings', 'Before you trust a number', `<ul>${warnings.map(item).join('')}</ul>`);
}

function figureOf({ title, caption, svg, width }: DrawnFigure, index: number): string {
  return `<figure class="${width}">
${inlineSvg(svg, index)}
<figcaption><b>Figure ${index + 1}. ${html(title)}.</b> ${html(caption)}</figcaption>
</figure>`;
}

/** Identifiers inside an SVG are unique per document only; several in one page need a prefix each. */
function inlineSvg(svg: string, index: number): string {
  return svg
    .replace(/\bid="([^"]+)"/g, `id="f${index}-$1"`)
    .replace(/url\(#([^)]+)\)/g, `url(#f${index}-$1)`)
    .replace(/\b(xlink:href|href)="#([^"]+)"/g, `$1="#f${index}-$2"`);
}

function tableOf(table: Table): string {
  const heads = table.columns.map(
    (column) => `<th${numericClass(column.type)}>${html(column.title ?? column.name)}</th>`,
  );
  const rows = table.rows
    .slice(0, shownRows)
    .map(
      (row) =>
        `<tr>${table.columns.map((column) => `<td${numericClass(column.type)}>${html(shownCell(row[column.name], column))}</td>`).join('')}</tr>`,
    );
  const rest = table.rows.length - rows.length;
  return `<h3 id="table-${html(table.name)}">${html(table.name.replaceAll('_', ' '))}</h3>
<div class="scroll"><table><thead><tr>${heads.join('')}</tr></thead><tbody>${rows.join('\n')}</tbody></table></div>
<p class="small">tables/${html(table.name)}.parquet${rest > 0 ? `, ${rest} more rows there` : ''}</p>`;
}

function numericClass(type: string): string {
  return type === 'integer' || type === 'real' ? ' class="number"' : '';
}

function provenance({ claims }: Outcome): string {
  const published =
    claims.length === 0
      ? ''
      : '<li><b>Published</b>: the column of that name; the source stands below each figure. Nothing unverified is used as an expectation.</li>';
  return section(
    'provenance',
    'Where the numbers come from',
    `<ul>
<li><b>Measured</b>: what the recordings hold: accesses, addresses, threads. The inputs and their SHA-256 are listed below.</li>
<li><b>Modelled</b>: every count and cycle of this report. Counts (walks, references, hits) come from simulating each access; cycles are those counts times the latencies of the
machine profile named in the configuration, whose fields carry their own sources.</li>
${published}
<li><b>Derived</b>: references per walk = page-table references / walks; cycles per walk = walk cycles / walks; speedup of a design = cycles per walk of radix / cycles per walk of the design, on the
same misses. Read a speedup together with the references per walk of its baseline: a weak baseline makes any design look good.</li>
</ul>`,
  );
}

function assumptionsSection(assumptions: Assumptions = {}): string {
  const parts = Object.entries(assumptions)
    .filter(([, sentences]) => sentences.length > 0)
    .map(([name, sentences]) => `<h3 class="name">${html(name)}</h3>\n<ul>${sentences.map(item).join('')}</ul>`);
  if (parts.length === 0) return '';
  return section('assumptions', 'What is assumed', parts.join('\n'));
}

function limits(notModelled: readonly string[]): string {
  if (notModelled.length === 0) return '';
  return section('limits', 'What is not modelled', `<ul>${notModelled.map(item).join('')}</ul>`);
}

function manifestSection(manifest: Omit<Manifest, 'outputs'>): string {
  const { host, inputs } = manifest;
  const rows = inputs.map(
    ({ role, path, bytes, sha256 }) =>
      `<tr><td>${html(role)}</td><td>${html(path)}</td><td class="number">${formatBytes(bytes)}</td><td><code class="hash">${html(sha256)}</code></td></tr>`,
  );
  const inputTable =
    rows.length === 0
      ? ''
      : `<div class="scroll"><table><thead><tr><th>Input</th><th>Path</th><th class="number">Size</th><th>SHA-256</th></tr></thead><tbody>${rows.join('\n')}</tbody></table></div>`;
  return section(
    'manifest',
    'Manifest',
    `<p>${html(host.processor)}, ${host.cores} cores, ${formatBytes(host.memoryBytes)}, ${html(host.platform)} ${html(host.kernel)}.
Repeat with <code>strata run --from manifest.json</code>, check with <code>strata verify</code>.</p>
${inputTable}
<details><summary>Configuration</summary><pre>${html(JSON.stringify(manifest.configuration, null, 2))}</pre></details>`,
  );
}

function section(id: string, heading: string, content: string): string {
  return `<section id="${id}">\n<h2>${html(heading)}</h2>\n${content}\n</section>`;
}

function item(text: string): string {
  return `<li>${html(text)}</li>`;
}

function numeral(value: number): string {
  return Number.isInteger(value) ? value.toLocaleString('en-US') : String(Number(value.toPrecision(5)));
}

function html(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
