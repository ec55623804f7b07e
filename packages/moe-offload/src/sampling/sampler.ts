import { MoeError } from "../errors.ts";

/** How the next token is chosen from the logits. */
export interface SamplingOptions {
  /** 0 takes the likeliest token (greedy); otherwise logits are divided by it. */
  temperature: number;
  /** Keep only the k likeliest tokens; 0 keeps all. */
  topK: number;
  /** Then keep the likeliest tokens that together reach this probability; 1 keeps all. */
  topP: number;
}

/** Chooses tokens; sampled choices draw one random number each, greedy ones none. */
export type Sampler = (logits: Float32Array) => number;

/**
 * Makes a sampler: temperature, then top-k, then top-p, then one draw, as in Hugging Face
 * transformers (llama.cpp's default chain applies the temperature last).
 *
 * @param random uniform in [0, 1); the only source of randomness
 * @throws MoeError `BAD_SETTING`; the sampler throws `BAD_LOGITS` on NaN or +Infinity
 */
export function createSampler(options: SamplingOptions, random: () => number): Sampler {
  const { temperature, topK, topP } = options;
  check("temperature", temperature, temperature >= 0 && Number.isFinite(temperature), ">= 0");
  check("topK", topK, Number.isInteger(topK) && topK >= 0, "an integer >= 0");
  check("topP", topP, topP > 0 && topP <= 1, "above 0, at most 1");
  if (temperature === 0 || topK === 1) return argmax;
  return (logits) => {
    const top = logits[argmax(logits)] ?? 0;
    const weightOf = (token: number) => Math.exp(((logits[token] ?? 0) - top) / temperature);
    const likeliest =
      topK > 0 && topK < logits.length ? largest(logits, topK) : Array.from(logits.keys());
    const weighted = likeliest.map((token) => ({ token, weight: weightOf(token) }));
    const kept = topP < 1 ? nucleus(weighted, topP) : weighted;
    return draw(kept, random());
  };
}

/**
 * The likeliest token; the lowest number among equals.
 *
 * @throws MoeError `BAD_LOGITS`
 */
export function argmax(logits: Float32Array): number {
  let best = -1;
  let top = Number.NEGATIVE_INFINITY;
  for (let token = 0; token < logits.length; token++) {
    const value = logits[token] ?? 0;
    if (value > top) {
      top = value;
      best = token;
    } else if (Number.isNaN(value)) throw badLogits(token, value);
  }
  if (best < 0 || top === Number.POSITIVE_INFINITY) throw badLogits(best, top);
  return best;
}

/** A token and its probability up to a common factor. */
interface Weighted {
  token: number;
  weight: number;
}

/** Above this many, sorting all tokens is faster than keeping a sorted list. */
const SORTED_LIST_MAX = 512;

/** The k tokens of largest logit, by falling logit (equal ones by rising number). */
function largest(logits: Float32Array, k: number): number[] {
  const isBefore = (a: number, b: number) => (logits[b] ?? 0) - (logits[a] ?? 0) || a - b;
  if (k > SORTED_LIST_MAX) return Array.from(logits.keys()).sort(isBefore).slice(0, k);
  const list: number[] = [];
  for (let token = 0; token < logits.length; token++) {
    const value = logits[token] ?? 0;
    if (list.length === k && !(value > (logits[list[k - 1] ?? 0] ?? 0))) continue;
    let at = list.length === k ? k - 1 : list.length;
    while (at > 0 && value > (logits[list[at - 1] ?? 0] ?? 0)) {
      list[at] = list[at - 1] ?? 0;
      at--;
    }
    list[at] = token;
  }
  return list;
}

/** The fewest likeliest tokens that together reach `topP` of the weight, by falling weight. */
function nucleus(all: Weighted[], topP: number): Weighted[] {
  const total = all.reduce((sum, { weight }) => sum + weight, 0);
  // Tokens below this weigh less than 1 - topP all together, so the nucleus is full before them.
  const least = ((1 - topP) * total) / all.length;
  const sorted = all
    .filter(({ weight }) => weight >= least)
    .sort((a, b) => b.weight - a.weight || a.token - b.token);
  let sum = 0;
  const count = sorted.findIndex(({ weight }) => {
    sum += weight;
    return sum >= topP * total;
  });
  return count < 0 ? sorted : sorted.slice(0, count + 1);
}

/** One token in proportion to its weight; `uniform` in [0, 1). */
function draw(kept: Weighted[], uniform: number): number {
  const at = uniform * kept.reduce((sum, { weight }) => sum + weight, 0);
  let sum = 0;
  let last = 0;
  for (const { token, weight } of kept) {
    sum += weight;
    last = token;
    if (at < sum) break;
  }
  return last;
}

function check(setting: string, value: number, ok: boolean, expected: string): void {
  if (ok) return;
  throw new MoeError(`${setting} is ${value}, expected ${expected}.`, {
    code: "BAD_SETTING",
    setting,
    value,
    expected,
  });
}

function badLogits(token: number, value: number): MoeError {
  return new MoeError(
    `the model gave the logit ${value} for token ${token}, expected a finite number. ` +
      "The model file is damaged or the computation failed.",
    { code: "BAD_LOGITS", token, value },
  );
}
