import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { createPrng } from "@fmlab/sim";
import type { MoeEngine } from "../../src/engine/engine.ts";
import { createSampler } from "../../src/sampling/sampler.ts";
import type { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import type { Trace } from "../../src/traces/trace.ts";
import { MemoryTraceSink, TraceRecorder } from "../../src/traces/trace-recorder.ts";

/** Texts that strategies are compared on. */
export const WORKLOADS = ["prose", "sampled", "greedy"] as const;
export type WorkloadName = (typeof WORKLOADS)[number];

/** Longest context; longer rounds are several. */
export const CONTEXT_TOKENS = 384;

/** The contexts of a round. */
export function contextsOf(tokens: Int32Array): Int32Array[] {
  const count = Math.ceil(tokens.length / CONTEXT_TOKENS);
  return Array.from({ length: count }, (_, i) =>
    tokens.subarray(i * CONTEXT_TOKENS, (i + 1) * CONTEXT_TOKENS),
  );
}

/** One workload: tokens for each round, and how the model routes on them. */
export interface Workload {
  readonly name: WorkloadName;
  /** What the tokens are, for the report. */
  readonly source: string;
  readonly rounds: readonly Int32Array[];
  /** All rounds, context by context. */
  readonly trace: Trace;
}

/** Tokens of each round come from text far apart, so that rounds are not one context. */
const PROSE_STRIDE_TOKENS = 1500;

/**
 * Makes a workload. All strategies then compute the same tokens: `prose` is held-out text
 * (`FMLAB_DATA_DIR/text/held_out_prose.txt.gz`; text the model samples where that is missing),
 * `sampled` is text the model wrote at temperature 0.8 and `greedy` what it wrote at 0.
 *
 * @param engine  every expert resident, `aheadDepth` 3
 */
export function makeWorkload(
  name: WorkloadName,
  engine: MoeEngine,
  tokenizer: Tokenizer,
  size: { rounds: number; tokens: number },
): Workload {
  const prose = name === "prose" ? heldOutProse() : undefined;
  const source = prose
    ? "held-out prose, teacher-forced"
    : `written by the model, ${name === "greedy" ? "greedy" : "sampled at 0.8"}`;
  const rounds = prose
    ? cut(Int32Array.from(tokenizer.encode(prose)), size)
    : Array.from({ length: size.rounds }, (_, round) => write(name, engine, round, size.tokens));
  return { name, source, rounds, trace: record(name, engine, rounds) };
}

function heldOutProse(): string | undefined {
  const folder = process.env.FMLAB_DATA_DIR;
  if (folder === undefined) return undefined;
  const file = path.join(folder, "text/held_out_prose.txt.gz");
  return existsSync(file) ? gunzipSync(readFileSync(file)).toString("utf8") : undefined;
}

function cut(tokens: Int32Array, size: { rounds: number; tokens: number }): Int32Array[] {
  const most = Math.floor(tokens.length / size.rounds);
  const stride = Math.min(Math.max(PROSE_STRIDE_TOKENS, size.tokens), most);
  if (stride < size.tokens) throw new Error("the text is too short for that many tokens");
  return Array.from({ length: size.rounds }, (_, round) =>
    tokens.slice(round * stride, round * stride + size.tokens),
  );
}

/** Each round begins with a word of its own, so that greedy texts differ. */
function write(name: WorkloadName, engine: MoeEngine, round: number, count: number): Int32Array {
  const prng = createPrng(round, `workload ${name}`);
  const options = { temperature: name === "greedy" ? 0 : 0.8, topK: 0, topP: 1 };
  const sample = createSampler(options, () => prng.nextFloat());
  const tokens = new Int32Array(count);
  let token = 0;
  for (let i = 0; i < count; i++) {
    if (i % CONTEXT_TOKENS === 0) {
      engine.reset();
      token = prng.nextInt(engine.vocabularySize);
    }
    tokens[i] = token;
    token = sample(engine.decode(token));
  }
  return tokens;
}

function record(name: string, engine: MoeEngine, rounds: readonly Int32Array[]): Trace {
  const contents = {
    shape: engine.shape,
    hasProbabilities: true,
    aheadDepth: 3,
    hasComputeMs: false,
    provenance: {
      model: "benchmark",
      text: name,
      origin: "recorded" as const,
      isSimulated: false,
      date: new Date().toISOString(),
    },
  };
  const sink = new MemoryTraceSink(contents);
  const recorder = new TraceRecorder(contents, sink);
  engine.onTokenRouting = (routing) => recorder.add(routing);
  for (const tokens of rounds.flatMap(contextsOf)) {
    engine.reset();
    for (const token of tokens) engine.decode(token);
  }
  engine.onTokenRouting = undefined;
  recorder.flush();
  return sink.toTrace();
}
