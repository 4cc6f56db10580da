import { StrataError } from '../../machine/errors.ts';

/** Domains of VT-d: 16 bits. */
const domains = 65_536;
/** Pages of the addresses that tables of four levels reach: 48 bits. */
const pagesOfDomain = 2 ** 36;
/** So many stand-ins leave the keys of `keyOf` below 2^53. */
const most = 61_440;

/**
 * Numbers that stand for a domain in one of the parts of 2^48 bytes above the first: domain, part and page have 61 bits, more than an exact
 * number has. Numbers are given in order of first use, from 65,536 on.
 */
export class WideDomains {
  readonly #numbers = new Map<number, number>();

  /** @param part of the domain's addresses, from 1 @throws StrataError `io.wide-addresses` */
  of(domain: number, part: number): number {
    const key = part * domains + domain;
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    if (this.#numbers.size === most)
      throw new StrataError({
        code: 'io.wide-addresses',
        what: `more than ${most} parts of 256 TiB are in use above 48 bits of address, over all domains`,
        mend: 'Use fewer tenants with addresses above 48 bits.',
      });
    const number = domains + this.#numbers.size;
    this.#numbers.set(key, number);
    return number;
  }

  /** One exact number per domain and page, below 2^53. */
  pageKey(domain: number, vpn: number): number {
    if (vpn < pagesOfDomain) return domain * pagesOfDomain + vpn;
    const part = Math.floor(vpn / pagesOfDomain);
    return this.of(domain, part) * pagesOfDomain + (vpn - part * pagesOfDomain);
  }
}
