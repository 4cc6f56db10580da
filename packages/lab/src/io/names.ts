/** `01:00.0, SID 0x100`. */
export function deviceName(sid: number): string {
  const hex = (value: number) => value.toString(16).padStart(2, '0');
  return `${hex(sid >>> 8)}:${hex((sid >>> 3) & 31)}.${sid & 7}, SID 0x${sid.toString(16)}`;
}

const listedNames = 5;

/** The first of them, and how many more there are. */
export function listed(names: readonly string[], comma = '; '): string {
  const more = names.length - listedNames;
  return `${names.slice(0, listedNames).join(comma)}${more > 0 ? `${comma}and ${more} more` : ''}`;
}
