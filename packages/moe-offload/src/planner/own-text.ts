import { ExperimentError } from "@fmlab/experiment";
import { createPrng } from "@fmlab/sim";
import type { DeviceName } from "../engine/device/device-names.ts";
import type { MoeEngine } from "../engine/engine.ts";
import { OffloadedModel } from "../offload/offloaded-model.ts";
import { STRATEGIES } from "../offload/strategies.ts";
import type { TextModel } from "../quality/open-text-model.ts";
import { argmax } from "../sampling/sampler.ts";
import { NO_HOST_TIER } from "../tiers/host-tier.ts";
import { FREE_LINK } from "../tiers/link-schedule.ts";
import { MonotonicClock } from "../tiers/monotonic-clock.ts";
import type { Trace } from "../traces/trace.ts";
import { MemoryTraceSink, TraceRecorder } from "../traces/trace-recorder.ts";

/** What is recorded, and how. */
export interface OwnTextRequest {
  readonly tokenCount: number;
  readonly seed: number;
  /** Where the model is computed; default: the CPU. */
  readonly device?: DeviceName | undefined;
  readonly threads: number;
  /** Memory for routed experts while recording; where it holds all, all are resident. */
  readonly memoryBytes: number;
  readonly cancelFlag: Int32Array;
  /** Asked after each token once there are `TOKENS_MIN`: true ends the text early. */
  readonly isOver?: () => boolean;
  /** Called after each token. */
  readonly onToken?: (done: number) => void;
}

/** Fewest tokens that say anything of routing. Chosen. */
const TOKENS_MIN = 96;
/** Tokens of one text of its own; longer texts of small models repeat themselves. Chosen. */
const SEQUENCE_TOKENS = 256;
/** Layers ahead whose routers are recorded, as far as there are: what any predictor looks at. */
const AHEAD_DEPTH = 3;

/**
 * Lets the model write text at temperature 1 and records how it routes on it, with all that any
 * policy or predictor looks at. The same seed gives the same trace on the same device, bit for bit,
 * whatever memory.
 *
 * @throws what opening and decoding throw; ExperimentError `CANCELLED`
 */
export function recordOwnText(text: TextModel, request: OwnTextRequest): Trace {
  const model = openModel(text, request);
  try {
    return record(model.engine, text, request);
  } finally {
    model.close();
  }
}

function openModel({ file, layout, model }: TextModel, request: OwnTextRequest): OffloadedModel {
  const { cancelFlag, device, memoryBytes, threads } = request;
  const allBytes = layout.classes.reduce(
    (sum, one) => sum + one.layers.length * layout.expertCount * one.expertBytes,
    0,
  );
  const isResident = memoryBytes >= allBytes;
  return OffloadedModel.open(file, layout, {
    strategy: isResident ? { ...STRATEGIES.lru, policy: "all-resident" } : STRATEGIES.lru,
    budgetBytes: isResident ? allBytes : memoryBytes,
    host: NO_HOST_TIER,
    link: FREE_LINK,
    disk: FREE_LINK,
    ...(device && { device }),
    threads,
    contextLength: Math.min(model.contextLength, SEQUENCE_TOKENS),
    aheadDepth: AHEAD_DEPTH,
    clock: new MonotonicClock(),
    cancelFlag,
  });
}

function record(engine: MoeEngine, text: TextModel, request: OwnTextRequest): Trace {
  const { seed } = request;
  const contents = {
    shape: engine.shape,
    hasProbabilities: true,
    aheadDepth: AHEAD_DEPTH,
    hasComputeMs: false,
    provenance: {
      model: text.model.name,
      text: "what the model writes itself at temperature 1",
      origin: "recorded" as const,
      isSimulated: false,
      seed,
      date: "",
    },
  };
  const sink = new MemoryTraceSink(contents);
  const recorder = new TraceRecorder(contents, sink);
  const hook = engine.onTokenRouting;
  engine.onTokenRouting = (routing) => recorder.add(routing);
  try {
    write(engine, text, request);
  } finally {
    engine.onTokenRouting = hook;
  }
  recorder.flush();
  return sink.toTrace();
}

function write(engine: MoeEngine, { tokenizer }: TextModel, request: OwnTextRequest): void {
  const { cancelFlag, isOver, onToken, seed, tokenCount } = request;
  const prng = createPrng(seed, "own-text");
  const first = tokenizer.bosToken ?? tokenizer.eosToken ?? 0;
  let token = first;
  for (let done = 0; done < tokenCount; done++) {
    if (Atomics.load(cancelFlag, 0) !== 0) {
      throw new ExperimentError("the run was cancelled", { code: "CANCELLED" });
    }
    if (done % engine.contextLength === 0) {
      engine.reset();
      token = first;
    }
    token = drawToken(engine.decode(token), prng.nextFloat());
    onToken?.(done + 1);
    if (done + 1 >= TOKENS_MIN && isOver?.() === true) return;
  }
}

/**
 * Tokens of the whole vocabulary at random: what compute times are measured on, so that routers
 * choose many different experts and caches hold no more of them than in a real text.
 */
export function scatteredTokens({ model }: TextModel, count: number): Int32Array {
  const prng = createPrng(0, "scattered-tokens");
  return Int32Array.from({ length: count }, () => prng.nextInt(model.vocabularySize));
}

/** One token by its probability at temperature 1, in two passes over the logits. */
function drawToken(logits: Float32Array, uniform: number): number {
  const top = logits[argmax(logits)] ?? 0;
  let left = 0;
  for (const logit of logits) left += Math.exp(logit - top);
  left *= uniform;
  for (let token = 0; token < logits.length; token++) {
    left -= Math.exp((logits[token] ?? 0) - top);
    if (left < 0) return token;
  }
  return logits.length - 1;
}
