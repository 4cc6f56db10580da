/** Beyond these a number of seconds is a number of smaller units: 10^11 s is the year 5138. */
const unitsBySize = [
  { from: 1e17, perSecond: 1e9 },
  { from: 1e14, perSecond: 1e6 },
  { from: 1e11, perSecond: 1e3 },
] as const;

/** Seconds since the epoch, or since anything, where loggers also write milliseconds, microseconds or nanoseconds since the epoch. */
export function secondsOf(value: number): number {
  const unit = unitsBySize.find(({ from }) => value >= from);
  return unit === undefined ? value : value / unit.perSecond;
}

/** A time of its own on a line, or in a cell: seconds since the epoch or since boot (as /proc/uptime has it), or a date. Not a number for anything else. */
export function timeOf(text: string): number {
  const line = text
    .trim()
    .replace(/^(?:#|=+|---+|time(?:stamp)?[:=]|date[:=])\s*/i, '')
    .replace(/\s*=+$/, '');
  const number = /^(\d+(?:\.\d+)?)(?:\s+\d+\.\d+)?$/.exec(line);
  if (number !== null) return secondsOf(Number(number[1]));
  return /^[\dA-Z][\d\w:.,+ -]{7,39}$/i.test(line) && /\d:\d/.test(line) ? dateOf(line) : Number.NaN;
}

function dateOf(line: string): number {
  const text = line.replace(',', '.');
  const known = Date.parse(text);
  // JavaScript knows few names of time zones, and only differences of times count here.
  return (Number.isNaN(known) ? Date.parse(text.replace(/\s(?!(?:AM|PM)\b)[A-Z]{2,5}\b/, ' UTC')) : known) / 1000;
}
