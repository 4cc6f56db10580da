import { find, hexDigit, LogLines } from './log-lines.ts';

const encoder = new TextEncoder();
const digit0 = 0x30;
/** Between bus, slot and function, and where they are in a source identifier. */
const separators = [0x3a, 0x2e];
const shifts = [8, 3, 0];
const sizeLabel = encoder.encode(' size=');
const hexSizeLabel = encoder.encode(' size=0x');

/** Upper 32 bits, as an `Int32Array` holds them. */
export const highOf = (value: number): number => Math.floor(value / 2 ** 32) | 0;

/** Reads the fields of a line one after the other. */
export abstract class LogFields extends LogLines {
  /** The number read last, as signed words: they stay in integer registers. */
  protected lo = 0;
  protected hi = 0;
  /** Where what was read last ends: the next field is looked for from there. */
  protected after = 0;

  /** Reads the hexadecimal number after `label` into `lo` and `hi`. */
  protected number(bytes: Uint8Array, from: number, end: number, label: Uint8Array): boolean {
    let at = find(bytes, from, end, label);
    if (at === -1) return false;
    at += label.length;
    let lo = 0;
    let hi = 0;
    const first = at;
    for (; at < end; at++) {
      const digit = hexDigit(bytes[at]!);
      if (digit === -1) break;
      hi = (hi << 4) | (lo >>> 28);
      lo = (lo << 4) | digit;
    }
    this.lo = lo;
    this.hi = hi;
    this.after = at;
    return at > first;
  }

  protected value(): number {
    return (this.hi >>> 0) * 2 ** 32 + (this.lo >>> 0);
  }

  /** Source of `bus:slot.function` in hexadecimal after `label`, or -1. */
  protected device(bytes: Uint8Array, from: number, end: number, label: Uint8Array): number {
    let at = find(bytes, from, end, label);
    if (at === -1) return -1;
    at += label.length;
    let sid = 0;
    for (let part = 0; part < 3; part++) {
      const first = at;
      let value = 0;
      for (; at < end; at++) {
        const digit = hexDigit(bytes[at]!);
        if (digit === -1) break;
        value = (value << 4) | digit;
      }
      if (at === first || (part < 2 && bytes[at] !== separators[part])) return -1;
      at++;
      sid |= (part === 2 ? value & 7 : value) << shifts[part]!;
    }
    this.after = at - 1;
    return sid & 0xffff;
  }

  /** Reads ` size=N` of kernels that print no range, decimal or with 0x. */
  protected size(bytes: Uint8Array, from: number, end: number): boolean {
    if (this.number(bytes, from, end, hexSizeLabel)) return true;
    let at = find(bytes, from, end, sizeLabel);
    if (at === -1) return false;
    at += sizeLabel.length;
    const first = at;
    let value = 0;
    for (; at < end && bytes[at]! >= digit0 && bytes[at]! <= digit0 + 9; at++) value = value * 10 + bytes[at]! - digit0;
    this.lo = value | 0;
    this.hi = highOf(value);
    return at > first;
  }
}
