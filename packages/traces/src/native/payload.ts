import { AccessKind } from '@strata/model/machine';

/**
 * The payload of a chunk: planes, one after another, each padded to 4 bytes, behind a table of their lengths. What a plane holds is
 * homogeneous, which deflate rewards, and a decoder reads it as one typed array.
 *
 * An address is coded as its distance from one of eight registers, which hold where the last accesses of as many streams ended (address
 * plus size): a sequential stream costs nothing, a stack or a field of the same object one byte. Instructions have registers of their own, and so
 * has each lane (thread and process). The program counter of an access is that of the lane's last instruction unless told otherwise, and
 * the physical page that of the last access to the same virtual page.
 */
export const planes = [
  'codes', // one byte per row: register, class of distance, explicit program counter, explicit physical address
  'forms', // one byte per row: index into the form table
  'formTable', // u8 kind, u8 0, u16 size
  'lanes', // u16 thread, u16 process
  'runs', // pairs of varints: lane, rows
  'near', // distances of class 1: i8
  'medium', // class 2: i16
  'far', // class 3: i32
  'absoluteLo', // class 4: the address itself, u32
  'absoluteHi',
  'pcClasses', // one byte per explicit program counter: class of its distance from the lane's last
  'pcNear',
  'pcMedium',
  'pcFar',
  'pcAbsoluteLo',
  'pcAbsoluteHi',
  'physicalLo', // explicit physical addresses, u32
  'physicalHi',
] as const;
export type Plane = (typeof planes)[number];

export const registersPerSet = 8;
/** Two sets: data, instructions. */
export const registersPerLane = 16;
export const maxForms = 256;

/** Bits of a row's code. */
export const registerMask = 7;
export const classShift = 3;
export const classMask = 7;
export const explicitPc = 0x40;
export const explicitPhysical = 0x80;

/** Classes of distance. */
export const exact = 0;
export const near = 1;
export const medium = 2;
export const far = 3;
export const absolute = 4;

/** Slots of the table of last physical pages; direct-mapped by virtual page and process. */
export const translationSlots = 16_384;

export function translationSlot(lo: number, hi: number, process: number): number {
  return ((lo >>> 12) ^ (hi << 7) ^ (process * 0x9e5)) & (translationSlots - 1);
}

/** Whether the address is an instruction's: it has registers of its own and is its own program counter. */
export function isInstruction(kind: number): boolean {
  return kind === AccessKind.fetch || kind === AccessKind.noFetch;
}
