/** A load as the naive lane keeps it. */
interface NaiveLoad {
  key: number;
  slot: number;
  isDemand: boolean;
  hasBegun: boolean;
  /** Ticks left before its first byte may pass, and of bytes. */
  latencyLeft: number;
  wireLeft: number;
}

/** Speed of a naive link in whole ticks. */
export interface NaiveLinkOptions {
  latencyTicks: number;
  wireTicks: number;
  queueDepth: number;
}

/** One link, moved tick by tick: what `VirtualLink` computes in closed form. */
class NaiveLink {
  readonly queue: NaiveLoad[] = [];
  readonly flights: NaiveLoad[] = [];
  readonly #options: NaiveLinkOptions;

  constructor(options: NaiveLinkOptions) {
    this.#options = options;
  }

  begin(): void {
    while (this.flights.length < this.#options.queueDepth && this.queue.length > 0) {
      const demand = this.queue.findIndex((load) => load.isDemand);
      const [load] = this.queue.splice(Math.max(0, demand), 1);
      if (load === undefined) return;
      load.hasBegun = true;
      load.latencyLeft = this.#options.latencyTicks;
      load.wireLeft = this.#options.wireTicks;
      this.flights.push(load);
    }
  }

  /** One tick passes; the oldest flight alone may use the wire. */
  tick(): void {
    const [oldest] = this.flights;
    if (oldest && oldest.latencyLeft === 0) oldest.wireLeft--;
    for (const load of this.flights) load.latencyLeft = Math.max(0, load.latencyLeft - 1);
  }

  end(): NaiveLoad[] {
    const ended: NaiveLoad[] = [];
    while (this.flights[0]?.latencyLeft === 0 && this.flights[0].wireLeft === 0) {
      ended.push(...this.flights.splice(0, 1));
    }
    return ended;
  }
}

/** A lane moved tick by tick, with an optional disk and host memory of so many experts (LRU). */
export class NaiveLane {
  now = 0;
  readonly ended: { key: number; slot: number; endMs: number }[] = [];
  readonly #link: NaiveLink;
  readonly #disk: NaiveLink | undefined;
  readonly #hostCapacity: number;
  #host: number[] = [];

  constructor(link: NaiveLinkOptions, disk: NaiveLinkOptions | undefined, hostCapacity: number) {
    this.#link = new NaiveLink(link);
    this.#disk = disk && new NaiveLink(disk);
    this.#hostCapacity = hostCapacity;
  }

  get loads(): NaiveLoad[] {
    return [this.#link, this.#disk].flatMap((link) => [
      ...(link?.queue ?? []),
      ...(link?.flights ?? []),
    ]);
  }

  submit(key: number, slot: number, isDemand: boolean): void {
    const load = { key, slot, isDemand, hasBegun: false, latencyLeft: 0, wireLeft: 0 };
    const isHit = this.#host.includes(key);
    if (isHit) this.#use(key);
    (this.#disk && !isHit ? this.#disk : this.#link).queue.push(load);
    this.#begin();
  }

  promote(slot: number): void {
    for (const link of [this.#link, this.#disk]) {
      const at = link?.queue.findIndex((load) => load.slot === slot) ?? -1;
      const [load] =
        at === -1 || link?.queue[at]?.isDemand ? [] : (link?.queue.splice(at, 1) ?? []);
      if (load) link?.queue.push(load);
    }
    for (const load of this.loads) if (load.slot === slot) load.isDemand = true;
  }

  withdraw(slot: number): boolean {
    for (const link of [this.#link, this.#disk]) {
      const at = link?.queue.findIndex((load) => load.slot === slot && !load.hasBegun) ?? -1;
      if (at === -1) continue;
      link?.queue.splice(at, 1);
      return true;
    }
    return false;
  }

  tick(): void {
    this.now++;
    this.#link.tick();
    this.#disk?.tick();
    for (const { key, slot } of this.#link.end()) this.ended.push({ key, slot, endMs: this.now });
    for (const load of this.#disk?.end() ?? []) {
      this.#use(load.key);
      this.#link.queue.push(load);
    }
    this.#begin();
  }

  #begin(): void {
    this.#disk?.begin();
    this.#link.begin();
  }

  #use(key: number): void {
    this.#host = [...this.#host.filter((other) => other !== key), key];
    this.#host = this.#host.slice(Math.max(0, this.#host.length - this.#hostCapacity));
  }
}
