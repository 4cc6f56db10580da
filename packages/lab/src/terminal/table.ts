/** What a command prints, exports and stores: rows with named, typed columns. */
export interface Column {
  readonly name: string;
  readonly type: 'text' | 'integer' | 'real' | 'flag';
  /** Heading on the terminal when it differs from the name. */
  readonly title?: string;
  /** Decimals shown on the terminal (exports keep every digit). Default 2 for `real`. */
  readonly decimals?: number;
}

export type Cell = string | number | boolean | null | undefined;
export type Row = Readonly<Record<string, Cell>>;

export interface Table {
  /** A name that can be a file name and an SQL view: letters, digits, underscore. */
  readonly name: string;
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
}

/** Columns in the order of first appearance, types from the values: integer only when every number is one. */
export function tableOf(name: string, rows: readonly Row[]): Table {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return { name, columns: names.map((column) => ({ name: column, type: typeOf(rows, column) })), rows };
}

function typeOf(rows: readonly Row[], column: string): Column['type'] {
  const values = rows.map((row) => row[column]).filter((value) => value !== null && value !== undefined);
  if (values.length > 0 && values.every((value) => typeof value === 'boolean')) return 'flag';
  if (values.length > 0 && values.every((value) => typeof value === 'number'))
    return values.every(Number.isSafeInteger) ? 'integer' : 'real';
  return 'text';
}

/** Aligned text: numbers to the right, everything else to the left, two spaces between columns. */
export function renderTable(table: Table, emphasise: (text: string) => string = (text) => text): string {
  const headings = table.columns.map((column) => column.title ?? column.name);
  const body = table.rows.map((row) => table.columns.map((column) => shownCell(row[column.name], column)));
  const widths = headings.map((heading, at) => Math.max(width(heading), ...body.map((cells) => width(cells[at]!))));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, at) => {
        const padding = ' '.repeat(widths[at]! - width(cell));
        return isNumeric(table.columns[at]!) ? padding + cell : cell + padding;
      })
      .join('  ')
      .trimEnd();
  return [emphasise(line(headings)), ...body.map(line)].join('\n');
}

function isNumeric(column: Column): boolean {
  return column.type === 'integer' || column.type === 'real';
}

export function shownCell(value: Cell, column: Column): string {
  if (value === null || value === undefined) return '-';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'string') return oneLine(value);
  if (!Number.isFinite(value)) return '-';
  return column.type === 'integer'
    ? value.toLocaleString('en-US', { maximumFractionDigits: 0 })
    : value.toLocaleString('en-US', {
        minimumFractionDigits: column.decimals ?? 2,
        maximumFractionDigits: column.decimals ?? 2,
      });
}

/** Names come from files: a control character must not reach the terminal. */
function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
}

function width(text: string): number {
  return [...text].length;
}

/** RFC 4180: a header line, CRLF-free, quotes where needed. Numbers keep every digit. */
export function renderCsv(table: Table): string {
  const lines = [table.columns.map((column) => csvCell(column.name)).join(',')];
  for (const row of table.rows) lines.push(table.columns.map((column) => csvCell(row[column.name])).join(','));
  return `${lines.join('\n')}\n`;
}

function csvCell(value: Cell): string {
  if (value === null || value === undefined) return '';
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
