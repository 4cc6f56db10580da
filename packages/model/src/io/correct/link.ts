/** One direction of PCI Express: packets of the transaction layer one after the other. */
export class Link {
  #free = 0;
  bytes = 0;
  /** When the first byte of what was sent last left. */
  began = 0;
  readonly #nsPerByte: number;
  readonly #payload: number;
  readonly #header: number;

  constructor(gbps: number, payloadBytes: number, headerBytes: number) {
    this.#nsPerByte = 8 / gbps;
    this.#payload = payloadBytes;
    this.#header = headerBytes;
  }

  /** When the last byte has left. @param bytes of payload; 0 = a message of a header alone */
  send(time: number, bytes: number): number {
    const wire = bytes + Math.max(1, Math.ceil(bytes / this.#payload)) * this.#header;
    this.bytes += wire;
    this.began = Math.max(time, this.#free);
    this.#free = this.began + wire * this.#nsPerByte;
    return this.#free;
  }
}
