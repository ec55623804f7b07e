/** Gives names numbers, 0 upwards by first use, and the names back. */
export class Interner {
  readonly #numbers = new Map<string, number>();
  readonly #names: string[] = [];

  get count(): number {
    return this.#names.length;
  }

  numberOf(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    const number = this.#names.length;
    this.#numbers.set(name, number);
    this.#names.push(name);
    return number;
  }

  /** The number of a name; undefined when it has none yet. */
  find(name: string): number | undefined {
    return this.#numbers.get(name);
  }

  /** The name of a number that was given out. */
  nameOf(number: number): string {
    return this.#names[number] ?? "";
  }
}
