/** The report's style sheet: system fonts, one column, tables that scroll rather than break, and a print form. */
export const reportStyle = `
:root { --ink: #16191d; --soft: #5b6570; --line: #dfe3e8; --good: #00634a; --bad: #a63c00; --ground: #fff; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 2rem 1.25rem 4rem; color: var(--ink); background: var(--ground);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, "DejaVu Sans", sans-serif; }
header { border-bottom: 2px solid var(--ink); padding-bottom: 1rem; }
.brand { margin: 0; color: var(--soft); font-size: .85rem; }
h1 { margin: .25rem 0 .5rem; font-size: 1.7rem; line-height: 1.2; }
h2 { margin: 2.2rem 0 .7rem; font-size: 1.2rem; }
h3 { margin: 1.4rem 0 .4rem; font-size: 1rem; text-transform: capitalize; }
h3.name { text-transform: none; }
.facts, .small { color: var(--soft); font-size: .82rem; }
.verdicts { font-size: 1.05rem; margin-bottom: 0; }
code, pre { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .85em; }
code { overflow-wrap: anywhere; }
.hash { font-size: .7rem; }
pre { overflow-x: auto; padding: .8rem; border: 1px solid var(--line); }
/* A table that needs more than the column takes what the window has, and scrolls only beyond that. */
.scroll { overflow-x: auto; min-width: 100%; width: min-content; max-width: calc(100vw - 2.5rem);
  position: relative; left: 50%; transform: translateX(-50%); }
table { border-collapse: collapse; width: 100%; font-size: .86rem; font-variant-numeric: tabular-nums; }
th { text-align: left; vertical-align: bottom; border-bottom: 1.5px solid var(--ink); padding: .3rem .8rem .3rem 0; }
td { vertical-align: top; border-bottom: 1px solid var(--line); padding: .35rem .8rem .35rem 0; }
th.number, td.number { text-align: right; }
td.number { white-space: nowrap; }
.claims td.number { white-space: normal; }
.claims .small { overflow-wrap: anywhere; }
.scroll th, .scroll td { padding-right: .55rem; }
.claims th:first-child { width: 42%; } .claims th:nth-child(2) { width: 28%; }
.verdict, .basis { white-space: nowrap; }
.verdict { font-weight: 600; }
.good { color: var(--good); } .bad { color: var(--bad); } .open { color: var(--soft); }
.warning { border-left: 4px solid var(--bad); padding-left: .8rem; }
figure { margin: 1.2rem 0 1.8rem; }
figure svg { display: block; max-width: 100%; height: auto; }
figure.single svg { width: 30rem; } figure.double svg { width: 100%; }
figcaption { margin-top: .4rem; font-size: .85rem; max-width: 46rem; color: #333; }
@media print {
  figure.single svg { width: 3.3in; } figure.double svg { width: 7in; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  .scroll { position: static; transform: none; width: 100%; }
  section, figure, tr { break-inside: avoid; }
  section { break-inside: auto; }
  h2, h3 { break-after: avoid; }
  details { display: none; }
  @page { margin: 18mm 16mm; }
}
`;
