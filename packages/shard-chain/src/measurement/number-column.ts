/**
 * A growing list of numbers in a typed array: 4 or 8 bytes an entry, for records of millions of
 * transactions.
 */
export class NumberColumn<Values extends Int32Array | Float64Array> {
  readonly #create: (length: number) => Values;
  #values: Values;
  #length = 0;

  /** @param create makes an array of zeros */
  constructor(create: (length: number) => Values) {
    this.#create = create;
    this.#values = create(256);
  }

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const grown = this.#create(2 * this.#length);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#length++] = value;
  }

  /** The entry at `index`, which must exist. */
  at(index: number): number {
    return this.#values[index] as number;
  }

  /** Overwrites the entry at `index`, which must exist. */
  set(index: number, value: number): void {
    this.#values[index] = value;
  }

  /** All entries; valid until the next push. */
  view(): Values {
    return this.#values.subarray(0, this.#length) as Values;
  }
}

/** A column of whole numbers of 32 bits. */
export function int32Column(): NumberColumn<Int32Array> {
  return new NumberColumn((length) => new Int32Array(length));
}

/** A column of times. */
export function float64Column(): NumberColumn<Float64Array> {
  return new NumberColumn((length) => new Float64Array(length));
}
