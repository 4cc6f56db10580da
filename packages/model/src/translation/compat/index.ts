export type { DeviceStats } from './cache.ts';
export { type CompatConfig, type CompatOptions, compatConfig, compatSpec } from './config.ts';
export {
  designsWithFormula,
  type FormulaDesign,
  type FormulaOptions,
  type FormulaPage,
  type FormulaResult,
  type FormulaSetup,
  formulaDesigns,
  formulaResults,
  type Latencies,
} from './formulas.ts';
export { type HistogramRow, type Label, labels, type RangeLabel } from './histogram.ts';
export {
  type ApplicationSpeedupInput,
  applicationSpeedup,
  formatSpeedup,
  type PerfCounts,
  type PerfFigures,
  parsePerfShort,
  perfFigures,
  type WalkCycleEvent,
  walkersIn,
  walkersPerCore,
} from './perf.ts';
export {
  allQuirks,
  noQuirks,
  parseQuirks,
  type Quirk,
  type QuirkName,
  type Quirks,
  quirkNames,
  quirks,
} from './quirks.ts';
export { type PageRange, parseRanges } from './ranges.ts';
export { renderReport } from './report.ts';
export type { CompatCoreResult, CompatResult } from './result.ts';
export { type CompatInput, type CompatSimulation, simulateCompat } from './simulate.ts';
export { type CompatTable, type CompatTableBuilder, compatTableBuilder, compatTableOf } from './table.ts';
export type { WalkCacheStats } from './walk-caches.ts';
