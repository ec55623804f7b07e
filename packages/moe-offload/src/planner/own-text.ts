import { createPrng } from "@fmlab/sim";
import { calibrate } from "../calibration/calibrate.ts";
import type { MoeEngine } from "../engine/engine.ts";
import { OffloadedModel } from "../offload/offloaded-model.ts";
import { STRATEGIES } from "../offload/strategies.ts";
import type { TextModel } from "../quality/open-text-model.ts";
import { NO_HOST_TIER } from "../tiers/host-tier.ts";
import { FREE_LINK } from "../tiers/link-schedule.ts";
import { MonotonicClock } from "../tiers/monotonic-clock.ts";
import type { Trace } from "../traces/trace.ts";
import { MemoryTraceSink, TraceRecorder } from "../traces/trace-recorder.ts";

/** What is recorded, and how. */
export interface OwnTextRequest {
  readonly tokenCount: number;
  readonly seed: number;
  readonly threads: number;
  /** Memory for routed experts while recording; where it holds all, all are resident. */
  readonly memoryBytes: number;
  readonly cancelFlag: Int32Array;
  /** Called after each token. */
  readonly onToken?: (done: number) => void;
}

/** Tokens of one text of its own; longer texts of small models repeat themselves. Chosen. */
const SEQUENCE_TOKENS = 256;
/** Layers ahead whose routers are recorded: as many as any predictor looks at. */
const AHEAD_DEPTH = 3;

/**
 * Lets the model write text at temperature 1 and records how it routes on it, with all that any
 * policy or predictor looks at. The same seed gives the same trace, bit for bit, whatever memory.
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
  const { cancelFlag, memoryBytes, threads } = request;
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
    threads,
    contextLength: Math.min(model.contextLength, SEQUENCE_TOKENS),
    aheadDepth: aheadDepth(layout.layerCount),
    clock: new MonotonicClock(),
    cancelFlag,
  });
}

function record(engine: MoeEngine, text: TextModel, request: OwnTextRequest): Trace {
  const { onToken, seed, tokenCount } = request;
  const contents = {
    shape: engine.shape,
    hasProbabilities: true,
    aheadDepth: aheadDepth(engine.shape.layerCount),
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
  const watched: TokenEngine = {
    shape: engine.shape,
    contextLength: engine.contextLength,
    decode: (token) => engine.decode(token),
    reset: () => engine.reset(),
  };
  // What `calibrate` learns here is not used: it writes the text, the recorder keeps the routing.
  const both = Object.assign(watched, { onTokenRouting: undefined as typeof hook });
  engine.onTokenRouting = (routing) => {
    recorder.add(routing);
  };
  try {
    calibrate(both, {
      tokenCount,
      seed: createPrng(seed, "own-text").nextUint32(),
      firstToken: text.tokenizer.bosToken ?? text.tokenizer.eosToken ?? 0,
      onToken: (done) => onToken?.(done),
    });
  } finally {
    engine.onTokenRouting = hook;
  }
  recorder.flush();
  return sink.toTrace();
}

type TokenEngine = Pick<MoeEngine, "shape" | "contextLength" | "decode" | "reset">;

function aheadDepth(layerCount: number): number {
  return Math.min(AHEAD_DEPTH, layerCount - 1);
}
