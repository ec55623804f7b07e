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
    const best = argmax(logits);
    const order = candidates(logits, topK);
    const top = logits[best] ?? 0;
    const weights = new Float64Array(order.length);
    let total = 0;
    for (let i = 0; i < order.length; i++) {
      const weight = Math.exp(((logits[order[i] ?? 0] ?? 0) - top) / temperature);
      weights[i] = weight;
      total += weight;
    }
    const { count, sum } = nucleus(weights, total, topP);
    return order[draw(weights, count, random() * sum)] ?? best;
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

/** Tokens by falling logit (equal ones by rising number), at most `topK` of them. */
function candidates(logits: Float32Array, topK: number): Uint32Array {
  const order = Uint32Array.from(logits.keys());
  order.sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0) || a - b);
  return topK > 0 && topK < order.length ? order.subarray(0, topK) : order;
}

/** The shortest prefix that reaches `topP` of the total weight. */
function nucleus(
  weights: Float64Array,
  total: number,
  topP: number,
): { count: number; sum: number } {
  if (topP >= 1) return { count: weights.length, sum: total };
  let sum = 0;
  let count = 0;
  while (count < weights.length) {
    sum += weights[count] ?? 0;
    count++;
    if (sum >= topP * total) break;
  }
  return { count, sum };
}

/** Index of the weight in whose part of the line `at` lies. */
function draw(weights: Float64Array, count: number, at: number): number {
  let sum = 0;
  for (let i = 0; i < count - 1; i++) {
    sum += weights[i] ?? 0;
    if (at < sum) return i;
  }
  return count - 1;
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
