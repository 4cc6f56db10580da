import { pageBytes, StrataError } from '@strata/model/machine';
import { openInput } from '../input/input.ts';

/** The page map beside a Google workload trace (`aux/v2p.textproto`): a ready page table. */
export interface PageMap {
  /** Virtual page to frame, both in 4 KiB units; larger pages appear once, at their first 4 KiB page. */
  readonly mappings: readonly PageMapping[];
}

export interface PageMapping {
  readonly vpn: number;
  readonly frame: number;
  /** Bytes of the page: 4096, 2 MiB or 1 GiB. */
  readonly pageBytes: number;
}

/**
 * Reads `address_mapping_group { page_size: .. address_mapping { virtual_address: .. physical_address: .. } }` by lines or run together.
 * A mapping without `virtual_address` is that of address 0, as the format leaves zeros out.
 * @throws StrataError `trace.page-map` with the line, and what decompression finds
 */
export async function readPageMap(path: string): Promise<PageMap> {
  const input = await openInput(path);
  const decoder = new TextDecoder();
  let text = '';
  try {
    for await (const chunk of input.chunks) text += decoder.decode(chunk, { stream: true });
  } finally {
    await input.close();
  }
  return parsePageMap(text, path);
}

/** @param path for messages */
export function parsePageMap(text: string, path: string): PageMap {
  const parser = new PageMapParser(path);
  text.split('\n').forEach((source, index) => {
    for (const token of tokensOf(source)) parser.token(token, index + 1);
  });
  return parser.end();
}

function tokensOf(source: string): string[] {
  const code = source.replace(/("[^"]*")|#.*$/g, (_, quoted: string | undefined) => quoted ?? '');
  return code.match(/"[^"]*"|[{}:]|[^\s{}:,;]+/g) ?? [];
}

class PageMapParser {
  readonly #path: string;
  readonly #open: string[] = [];
  readonly #mappings: PageMapping[] = [];
  #word: string | undefined;
  #isValue = false;
  #pageBytes = pageBytes;
  #virtual = 0n;
  #physical: bigint | undefined;
  #line = 0;

  constructor(path: string) {
    this.#path = path;
  }

  token(token: string, line: number): void {
    this.#line = line;
    if (token === ':') this.#isValue = true;
    else if (token === '{') this.#enter();
    else if (token === '}') this.#leave();
    else if (this.#isValue) this.#value(token);
    else if (this.#word === undefined) this.#word = token;
    else throw this.#error(`':' or '{' after ${this.#word}`, token);
  }

  end(): PageMap {
    if (this.#open.length > 0 || this.#word !== undefined) throw this.#error("a closing '}'", 'the end of the file');
    return { mappings: this.#mappings };
  }

  #enter(): void {
    if (this.#word === undefined) throw this.#error("a name before '{'", "'{'");
    this.#open.push(this.#word);
    if (this.#word === 'address_mapping_group') this.#pageBytes = pageBytes;
    if (this.#word === 'address_mapping') {
      this.#virtual = 0n;
      this.#physical = undefined;
    }
    this.#word = undefined;
    this.#isValue = false;
  }

  #leave(): void {
    const name = this.#open.pop();
    if (name === undefined || this.#word !== undefined) throw this.#error('a value', "'}'");
    if (name !== 'address_mapping') return;
    const mask = BigInt(this.#pageBytes - 1);
    const physical = this.#physical ?? 0n;
    if ((this.#virtual & mask) !== 0n || (physical & mask) !== 0n)
      throw this.#error(`addresses that are multiples of the page size ${this.#pageBytes}`, 'others');
    this.#mappings.push({
      vpn: Number(this.#virtual >> 12n),
      frame: Number(physical >> 12n),
      pageBytes: this.#pageBytes,
    });
  }

  #value(token: string): void {
    const name = this.#word;
    this.#word = undefined;
    this.#isValue = false;
    if (name !== 'page_size' && name !== 'virtual_address' && name !== 'physical_address') return;
    if (!/^(0x[0-9a-f]{1,16}|\d{1,20})$/i.test(token)) throw this.#error(`a number for ${name}`, token);
    const value = BigInt(token);
    if (value >> 64n !== 0n) throw this.#error(`at most 64 bits for ${name}`, token);
    if (name === 'virtual_address') this.#virtual = value;
    else if (name === 'physical_address') this.#physical = value;
    else if (value === 4096n || value === 0x200000n || value === 0x40000000n) this.#pageBytes = Number(value);
    else throw this.#error('a page size of 4 KiB, 2 MiB or 1 GiB', token);
  }

  #error(expected: string, found: string): StrataError {
    return new StrataError({
      code: 'trace.page-map',
      what: 'the page map cannot be read',
      where: `${this.#path}, line ${this.#line}`,
      expected,
      found,
    });
  }
}
