/** A WebAssembly.Memory. */
export interface WasmMemory {
  readonly buffer: ArrayBufferLike;
  /** Adds pages of 64 KiB; views of the buffer so far end. @throws RangeError where there is no room */
  grow(pages: number): number;
}

/** Of the WebAssembly interface, what is used here; the language's own library does not declare it. */
export interface WasmApi {
  readonly Memory: new (sizes: { initial: number; maximum?: number; shared?: boolean }) => WasmMemory;
  readonly Module: new (code: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
}

export const wasmPageBytes = 65_536;

/** Undefined where there is no WebAssembly. */
export function wasmApi(): WasmApi | undefined {
  return (globalThis as { readonly WebAssembly?: WasmApi }).WebAssembly;
}

/** A module from hexadecimal digits, as `scripts/wasm.mjs` writes them. @throws where compiling is not allowed (a page's Content-Security-Policy) */
export function wasmModule(api: Pick<WasmApi, 'Module'>, digits: string): object {
  return new api.Module(bytesOf(digits));
}

/**
 * The same of a text with constants, which become part of the code: the compiler computes with them.
 * @param sites places of each constant, as `scripts/wasm.mjs` writes them
 * @throws as `wasmModule`; RangeError for a constant without a value
 */
export function wasmModuleWith(
  api: Pick<WasmApi, 'Module'>,
  digits: string,
  sites: string,
  constants: Readonly<Record<string, number>>,
): object {
  const code = bytesOf(digits);
  for (const [name = '', ...places] of sites.split(',').map((site) => site.split(' '))) {
    const value = constants[name];
    if (value === undefined) throw new RangeError(`constant ${name} has no value`);
    for (const at of places) code.set(paddedInteger(value), Number(at));
  }
  return new api.Module(code);
}

function bytesOf(digits: string): Uint8Array {
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16));
}

/** Signed LEB128 of 32 bits, in five bytes. */
function paddedInteger(value: number): readonly number[] {
  const low = [0, 7, 14, 21].map((shift) => ((value >> shift) & 0x7f) | 0x80);
  return [...low, (value >> 28) & 0x7f];
}
