/** Lists as arrays, oldest first: ARC written from its figure, and Fate's variant from its code. */
export class NaiveArc {
  t1: number[] = [];
  t2: number[] = [];
  b1: number[] = [];
  b2: number[] = [];
  p = 0;
  /** How often a ghost came back. */
  returns = 0;
  readonly #capacity: number;
  readonly #isFate: boolean;

  constructor(capacity: number, isFate: boolean) {
    this.#capacity = capacity;
    this.#isFate = isFate;
    if (isFate) for (let expert = 0; expert < capacity; expert++) this.t1.push(expert);
  }

  /** Experts of one token; hits first, and none of them is evicted. Returns those loaded. */
  request(experts: number[]): number[] {
    const misses: number[] = [];
    for (const x of experts) {
      if (this.t1.includes(x) || this.t2.includes(x)) {
        this.t1 = this.t1.filter((e) => e !== x);
        this.t2 = [...this.t2.filter((e) => e !== x), x];
      } else {
        misses.push(x);
      }
    }
    for (const x of misses) this.#miss(x, experts);
    return misses;
  }

  #miss(x: number, pinned: number[]): void {
    const c = this.#capacity;
    const isFull = this.t1.length + this.t2.length === c;
    if (this.b1.includes(x) || this.b2.includes(x)) this.returns++;
    if (this.b1.includes(x)) {
      const step = this.#isFate ? this.t1.length : Math.max(this.b2.length / this.b1.length, 1);
      this.p = Math.min(c, this.p + step);
      this.#replace(x, pinned);
      this.b1 = this.b1.filter((e) => e !== x);
      this.t2.push(x);
      return;
    }
    if (this.b2.includes(x)) {
      const step = this.#isFate ? this.t2.length : Math.max(this.b1.length / this.b2.length, 1);
      this.p = Math.max(0, this.p - step);
      this.#replace(x, pinned);
      this.b2 = this.b2.filter((e) => e !== x);
      this.t2.push(x);
      return;
    }
    const all = this.t1.length + this.t2.length + this.b1.length + this.b2.length;
    if (this.t1.length + this.b1.length === c) {
      if (this.t1.length < c) {
        this.b1.shift();
        if (isFull) this.#replace(x, pinned);
      } else {
        this.t1.splice(
          this.t1.findIndex((e) => !pinned.includes(e)),
          1,
        );
      }
    } else if (all >= c) {
      if (all >= 2 * c) {
        if (this.#isFate && this.b1.length > 0) this.b1.shift();
        else this.b2.shift();
      }
      if (isFull) this.#replace(x, pinned);
    }
    this.t1.push(x);
  }

  #replace(x: number, pinned: number[]): void {
    const free1 = this.t1.findIndex((e) => !pinned.includes(e));
    const free2 = this.t2.findIndex((e) => !pinned.includes(e));
    const size = this.t1.length;
    const isTie = !this.#isFate && this.b2.includes(x) && size === this.p;
    const fromT1 = size > 0 && (size > this.p || isTie);
    if ((fromT1 && free1 >= 0) || free2 < 0) this.b1.push(...this.t1.splice(free1, 1));
    else this.b2.push(...this.t2.splice(free2, 1));
  }
}
