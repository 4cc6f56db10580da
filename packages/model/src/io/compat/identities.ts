import { StrataError } from '../../machine/errors.ts';

/** Defects of the original constructor that `correct` mends (specs/io.md section 6). All on = `compat`. */
export interface BuildQuirks {
  /** Q14: SIDs of log n are shifted by only 128 n, so that logs of more than 16 devices share SIDs. Mended: every device has its own. */
  readonly sidCollision: boolean;
  /** Q15: DIDs and SIDs wrap at 16 bits, and a domain above 127 meets the next log's. Mended: numbered apart, refused beyond 65,536. */
  readonly wrapAround: boolean;
  /**
   * Q16: a stream's end is found only when an event of it is wanted, a round late, and a turn that ends early leaves packets of two tenants.
   * Mended: whole turns only, and rounds while every tenant has one.
   */
  readonly partialTurns: boolean;
  /** Q17: a device whose domain changes counts as another tenant. Mended: it stays the tenant it is. */
  readonly domainChange: boolean;
  /** Q18: second-level entries of different logs overwrite each other by address and carry the log's own DID. Mended: kept apart, global DID. */
  readonly tableOverwrite: boolean;
  /** Q18: the context generation, printed in decimal, is read as hexadecimal. */
  readonly hexGeneration: boolean;
  /** Q20: a line that ends in a carriage return yields no event. Mended: the carriage return is dropped. */
  readonly carriageReturn: boolean;
  /** Q20: devices on buses other than 0 are not tenants. */
  readonly busZero: boolean;
}

export type BuildQuirk = keyof BuildQuirks;

export const buildQuirkNames: readonly BuildQuirk[] = [
  'sidCollision',
  'wrapAround',
  'partialTurns',
  'domainChange',
  'tableOverwrite',
  'hexGeneration',
  'carriageReturn',
  'busZero',
];

/** Only the quirks named are on. */
export function buildQuirks(on: readonly BuildQuirk[]): BuildQuirks {
  const is = (name: BuildQuirk): boolean => on.includes(name);
  return {
    sidCollision: is('sidCollision'),
    wrapAround: is('wrapAround'),
    partialTurns: is('partialTurns'),
    domainChange: is('domainChange'),
    tableOverwrite: is('tableOverwrite'),
    hexGeneration: is('hexGeneration'),
    carriageReturn: is('carriageReturn'),
    busZero: is('busZero'),
  };
}

const functionBits = 3;
const firstSlot = 2;
const idsPerLog = 128;
export const idCount = 65_536;
/** Slot 31 of bus 0 holds the chipset's own functions, which have identity maps and no tenant. */
const chipsetSlot = 31;

/**
 * Gives the devices and domains of several logs the numbers of one machine (specs/io.md 1.5). The tenants of a collector log are the
 * first slots from 00:02.0 on, as its collector sets them up, and whatever sits on another bus; those of a stock log are the first
 * devices that it names, the chipset aside.
 */
export class TenantIds {
  log = -1;
  readonly domainChanges: { readonly log: number; readonly sid: number }[] = [];
  readonly #quirks: BuildQuirks;
  #kind: 'collector' | 'stock' = 'collector';
  #devices = 0;
  #seen = new Set<number>();
  #didsOfLog = new Set<number>();
  #contexts = new Set<number>();
  readonly #withoutContext: { readonly log: number; readonly sid: number }[] = [];
  #withoutContextInLog = new Set<number>();
  readonly #globalDid = new Map<number, number>();
  #tenants = 0;
  /** Per device of this log: its domain in the log, and the number that stays its own. */
  #domainOfSid = new Map<number, { domain: number; global: number }>();
  #sidInLog = new Map<number, number>();
  readonly #usedSids = new Set<number>();
  #freeSid = 0;

  constructor(quirks: BuildQuirks) {
    this.#quirks = quirks;
  }

  get tenants(): number {
    return this.#tenants;
  }

  get tenantsInLog(): number {
    return this.#didsOfLog.size;
  }

  beginLog(devices: number, kind: 'collector' | 'stock'): void {
    this.#closeLog();
    this.log++;
    this.#devices = devices;
    this.#kind = kind;
    this.#seen = new Set();
    this.#didsOfLog = new Set();
    this.#contexts = new Set();
    this.#domainOfSid = new Map();
    this.#sidInLog = new Map();
  }

  isTenant(sid: number): boolean {
    const bus = sid >>> 8;
    if (this.#kind === 'collector' && (bus === 0 || this.#quirks.busZero)) {
      const slot = sid >>> functionBits;
      return (sid & 7) === 0 && slot >= firstSlot && slot < firstSlot + this.#devices;
    }
    if (this.#quirks.busZero && bus !== 0) return false;
    if (bus === 0 && sid >>> functionBits === chipsetSlot) return false;
    if (this.#seen.has(sid)) return true;
    if (this.#seen.size >= this.#devices) return false;
    this.#seen.add(sid);
    return true;
  }

  seeContext(sid: number): void {
    this.#contexts.add(sid);
    this.#withoutContextInLog.delete(sid);
  }

  seeTranslation(sid: number): void {
    if (!this.#contexts.has(sid)) this.#withoutContextInLog.add(sid);
  }

  withoutContext(): readonly { readonly log: number; readonly sid: number }[] {
    return [...this.#withoutContext, ...[...this.#withoutContextInLog].map((sid) => ({ log: this.log, sid }))];
  }

  shiftedSid(sid: number): number {
    if (this.#quirks.sidCollision) {
      const shifted = sid + idsPerLog * this.log;
      if (shifted >= idCount && !this.#quirks.wrapAround) throw this.#exhausted('SIDs');
      return shifted % idCount;
    }
    const known = this.#sidInLog.get(sid);
    if (known !== undefined) return known;
    const own = this.#ownSid(sid + 2 * idsPerLog * this.log);
    this.#sidInLog.set(sid, own);
    this.#usedSids.add(own);
    return own;
  }

  /** Number of a domain of the log, seen at device `sid`. */
  domain(domain: number, sid: number): number {
    const of = this.#domainOfSid.get(sid);
    if (of !== undefined && of.domain === domain) return of.global;
    if (of === undefined) {
      const global = this.#number(domain);
      this.#domainOfSid.set(sid, { domain, global });
      return global;
    }
    if (!this.domainChanges.some((change) => change.log === this.log && change.sid === sid))
      this.domainChanges.push({ log: this.log, sid });
    const global = this.#quirks.domainChange ? this.#number(domain) : this.#renumber(domain, of.global);
    this.#domainOfSid.set(sid, { domain, global });
    return global;
  }

  domainOfTable(domain: number): number {
    return this.#number(domain);
  }

  #closeLog(): void {
    this.#withoutContext.push(...[...this.#withoutContextInLog].map((sid) => ({ log: this.log, sid })));
    this.#withoutContextInLog = new Set();
  }

  #ownSid(wished: number): number {
    if (wished < idCount && !this.#usedSids.has(wished)) return wished;
    while (this.#usedSids.has(this.#freeSid)) this.#freeSid++;
    if (this.#freeSid >= idCount) throw this.#exhausted('SIDs');
    return this.#freeSid;
  }

  #keyOf(domain: number): number {
    return this.#quirks.wrapAround ? (domain + idsPerLog * this.log) % idCount : domain + idCount * this.log;
  }

  #number(domain: number): number {
    const key = this.#keyOf(domain);
    this.#didsOfLog.add(this.#quirks.domainChange ? domain : (this.#globalDid.get(key) ?? this.#tenants));
    const known = this.#globalDid.get(key);
    if (known !== undefined) return known;
    const global = this.#tenants++;
    if (global >= idCount) throw this.#exhausted('domains');
    this.#globalDid.set(key, global);
    return global;
  }

  /** The domain that a device changed to keeps the device's number, unless other devices have given it one. */
  #renumber(domain: number, global: number): number {
    const key = this.#keyOf(domain);
    const known = this.#globalDid.get(key);
    if (known !== undefined) return known;
    this.#globalDid.set(key, global);
    return global;
  }

  #exhausted(what: string): StrataError {
    return new StrataError({
      code: 'io.ids-exhausted',
      what: `${what} of this many logs do not fit into 16 bits (quirk Q15)`,
      where: `log ${this.log}`,
      mend: 'Merge fewer logs; --mode compat wraps around as the original does.',
    });
  }
}
