import { createPrng, type Prng } from "@fmlab/sim";
import { type BootstrapInterval, bootstrapCi, median } from "@fmlab/stats";

/** An engine with a model on a card. */
export interface OpenContender {
  /** Forgets the context. */
  reset(): void;
  /** Evaluates a prompt; the last token's logits, on the host. */
  prefill(tokens: Int32Array): Float32Array;
  /** Evaluates one token; its logits, on the host. */
  decode(token: number): Float32Array;
  close(): void;
}

/** An engine that can be opened, again and again. */
export interface DuelContender {
  readonly name: string;
  open(): OpenContender;
}

/** What is measured of each, one after the other in every turn. */
export const PHASES = ["decode", "prefill"] as const;
/** One of `PHASES`. */
export type Phase = (typeof PHASES)[number];

/** What is evaluated, from an empty context. */
export interface DuelText {
  readonly decode: Int32Array;
  readonly prefill: Int32Array;
}

/** What a contender reached over all rounds. */
export interface DuelResult {
  readonly name: string;
  /** Card memory that it took, bytes; negative where something else gave some back. */
  readonly cardBytes: number;
  /** Median over rounds, tokens per second. */
  readonly perSecond: Record<Phase, number>;
  /** Median over rounds of first contender / this one, with its 95 % bootstrap interval. */
  readonly ratio: Record<Phase, BootstrapInterval>;
  /** Logits of the last token of each text. */
  readonly logits: Record<Phase, Float32Array>;
}

/** How a duel is fought. */
export interface DuelOptions {
  readonly rounds: number;
  readonly seed: number;
  /** Only one contender is open at a time, because the card does not hold all. */
  readonly byTurns: boolean;
  /** Free memory of the card now. */
  readonly freeBytes: () => number;
}

/** Rounds (one after the other), or turns of each opening, that are not counted; chosen. */
const WARM_UP_ROUNDS = 2;

/** What one contender did in one turn: tokens per second, and logits. */
interface Turn {
  readonly speed: Record<Phase, number>;
  readonly logits: Record<Phase, Float32Array>;
}

/** Times contenders in rounds, in a new random order each round, in this process. */
export function fight(
  contenders: readonly DuelContender[],
  text: DuelText,
  options: DuelOptions,
): DuelResult[] {
  const prng = createPrng(options.seed, "order");
  const field = new Field(contenders, options);
  const turns = new Map<string, Turn[]>(contenders.map(({ name }) => [name, []]));
  try {
    const first = options.byTurns ? 0 : -WARM_UP_ROUNDS;
    for (let round = first; round < options.rounds; round++) {
      for (const contender of prng.shuffle(contenders)) {
        const turn = field.turn(contender, text);
        if (round >= 0) turns.get(contender.name)?.push(turn);
      }
    }
  } finally {
    field.close();
  }
  const own = turns.get(contenders[0]?.name ?? "") ?? [];
  return contenders.map(({ name }) =>
    resultOf(name, field.cardBytes(name), turns.get(name) ?? [], own, prng),
  );
}

/** The contenders that are open. */
class Field {
  readonly #open = new Map<string, OpenContender>();
  readonly #cardBytes = new Map<string, number>();
  readonly #options: DuelOptions;

  constructor(contenders: readonly DuelContender[], options: DuelOptions) {
    this.#options = options;
    if (options.byTurns) return;
    try {
      for (const contender of contenders) this.#enter(contender);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  turn(contender: DuelContender, text: DuelText): Turn {
    const isOpen = this.#open.has(contender.name);
    if (!isOpen) this.#enter(contender);
    const open = this.#open.get(contender.name);
    if (!open) throw new Error(`${contender.name} is not open`);
    if (!isOpen) for (let i = 0; i < WARM_UP_ROUNDS; i++) takeTurn(open, text);
    const turn = takeTurn(open, text);
    if (this.#options.byTurns) this.#leave(contender.name);
    return turn;
  }

  cardBytes(name: string): number {
    return this.#cardBytes.get(name) ?? 0;
  }

  close(): void {
    for (const name of [...this.#open.keys()]) this.#leave(name);
  }

  #enter(contender: DuelContender): void {
    const before = this.#options.freeBytes();
    this.#open.set(contender.name, contender.open());
    this.#cardBytes.set(contender.name, before - this.#options.freeBytes());
  }

  #leave(name: string): void {
    this.#open.get(name)?.close();
    this.#open.delete(name);
  }
}

function takeTurn(contender: OpenContender, text: DuelText): Turn {
  const timed = (tokens: Int32Array, run: () => Float32Array) => {
    contender.reset();
    const start = performance.now();
    const logits = run();
    return { speed: (1000 * tokens.length) / (performance.now() - start), logits: logits.slice() };
  };
  const prefill = timed(text.prefill, () => contender.prefill(text.prefill));
  const decode = timed(text.decode, () => {
    let logits: Float32Array = new Float32Array(0);
    for (const token of text.decode) logits = contender.decode(token);
    return logits;
  });
  return {
    speed: { decode: decode.speed, prefill: prefill.speed },
    logits: { decode: decode.logits, prefill: prefill.logits },
  };
}

function resultOf(
  name: string,
  cardBytes: number,
  turns: readonly Turn[],
  own: readonly Turn[],
  prng: Prng,
): DuelResult {
  const last = turns.at(-1);
  if (!last) throw new Error(`${name} had no turn`);
  const speeds = (phase: Phase) => turns.map(({ speed }) => speed[phase]);
  const ratio = (phase: Phase) => {
    const ratios = speeds(phase).map((speed, round) => (own[round]?.speed[phase] ?? 0) / speed);
    const random = prng.fork(`bootstrap ${name} ${phase}`);
    return bootstrapCi(ratios, random, { statistic: median, resamples: 2_000 });
  };
  return {
    name,
    cardBytes,
    perSecond: { decode: median(speeds("decode")), prefill: median(speeds("prefill")) },
    ratio: { decode: ratio("decode"), prefill: ratio("prefill") },
    logits: last.logits,
  };
}
