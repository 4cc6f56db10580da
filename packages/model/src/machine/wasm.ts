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
  return new api.Module(
    Uint8Array.from({ length: digits.length / 2 }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16)),
  );
}
