/** Records of a few numbers, first in, first out; a ring that grows. */
export class Fifo {
  length = 0;
  readonly #width: number;
  #first = 0;
  #values: Float64Array;

  /** @param width numbers per record */
  constructor(width = 1) {
    this.#width = width;
    this.#values = new Float64Array(16 * width);
  }

  push(a: number, b = 0, c = 0, d = 0, e = 0, f = 0): void {
    const width = this.#width;
    if (this.length * width === this.#values.length) this.#grow();
    const at = ((this.#first + this.length++) % (this.#values.length / width)) * width;
    const values = this.#values;
    values[at] = a;
    if (width > 1) values[at + 1] = b;
    if (width > 2) values[at + 2] = c;
    if (width > 3) values[at + 3] = d;
    if (width > 4) values[at + 4] = e;
    if (width > 5) values[at + 5] = f;
  }

  /** A number of the record `index` places behind the first. */
  at(index: number, word = 0): number {
    const width = this.#width;
    return this.#values[((this.#first + index) % (this.#values.length / width)) * width + word]!;
  }

  /** Removes the first record and returns its first number. */
  shift(): number {
    const first = this.at(0);
    this.#first = (this.#first + 1) % (this.#values.length / this.#width);
    this.length--;
    return first;
  }

  #grow(): void {
    const width = this.#width;
    const larger = new Float64Array(this.#values.length * 2);
    for (let index = 0; index < this.length; index++)
      for (let word = 0; word < width; word++) larger[index * width + word] = this.at(index, word);
    this.#values = larger;
    this.#first = 0;
  }
}
