import { type GgufFile, openGguf } from "@fmlab/ggml";
import { createPrng } from "@fmlab/sim";
import {
  isCalibrated,
  type ObtainedCalibration,
  obtainCalibration,
} from "../calibration/obtain.ts";
import { MoeError } from "../errors.ts";
import { badModel, describeModel, type ModelDescription } from "../model/description.ts";
import { type ExpertLayout, expertLayout } from "../model/expert-layout.ts";
import { noughtBytes } from "../offload/cpu-experts.ts";
import { ElasticMemory } from "../offload/elastic-memory.ts";
import { planExpertMemory } from "../offload/expert-memory.ts";
import { twinStaging } from "../offload/low-precision.ts";
import { OffloadedModel, type OffloadOptions } from "../offload/offloaded-model.ts";
import { POLICIES } from "../policies/registry.ts";
import { openTwinsNear } from "../precision/open-twins-near.ts";
import type { Twins } from "../precision/twins.ts";
import { createSampler, type Sampler } from "../sampling/sampler.ts";
import { Tokenizer } from "../tokenizer/tokenizer.ts";
import { AHEAD_DEPTH_MAX } from "../traces/trace.ts";
import { LossyCheck } from "./lossy-check.ts";
import type { SessionFacts, SessionOptions } from "./messages.ts";
import { Recorder } from "./recorder.ts";
import type { SessionClock } from "./session-clock.ts";
import { SessionTrace } from "./session-trace.ts";

/** Told of what takes its time while a session is opened. */
export interface OpeningListener {
  /** Tokens written, where the strategy has to learn first. */
  onCalibrating?(done: number, total: number): void;
  /** Matrices made of low-precision copies that were not there. */
  onTwins?(done: number, total: number): void;
}

/** What an open session holds. */
export interface SessionParts {
  readonly file: GgufFile;
  readonly offloaded: OffloadedModel;
  /** Set when the KV cache is paid for by the budget. */
  readonly elastic: ElasticMemory | undefined;
  readonly model: ModelDescription;
  readonly tokenizer: Tokenizer;
  readonly sampler: Sampler;
  readonly recorder: Recorder;
  readonly facts: SessionFacts;
  /** Set when the session's routing is recorded. */
  readonly trace: SessionTrace | undefined;
  /** Set when misses are computed in low precision. */
  readonly lossy: LossyCheck | undefined;
}

/** What a session is opened with. */
export interface Opening {
  readonly options: SessionOptions;
  readonly clock: SessionClock;
  readonly listener: OpeningListener;
}

/** A model file and what was found in it. */
interface Opened {
  readonly file: GgufFile;
  readonly model: ModelDescription;
  readonly layout: ExpertLayout;
  readonly tokenizer: Tokenizer;
}

/** The file, and then all that is computed with. */
export function openParts(opening: Opening): SessionParts {
  const { clock, options } = opening;
  clock.throwIfCancelled();
  const file = openGguf(options.modelPath);
  try {
    return openModel(describe(file), opening);
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Frees native memory and file handles. */
export function closeParts({ file, offloaded, trace }: SessionParts): void {
  trace?.discard();
  offloaded.close();
  file.close();
}

function describe(file: GgufFile): Opened {
  const model = describeModel(file);
  const tokenizer = new Tokenizer(file);
  const { vocabularySize } = tokenizer;
  if (vocabularySize !== model.vocabularySize) {
    throw badModel(
      file,
      `its tokenizer has ${vocabularySize} tokens, its embedding ${model.vocabularySize}`,
    );
  }
  return { file, model, layout: expertLayout(file, model), tokenizer };
}

function openModel(opened: Opened, opening: Opening): SessionParts {
  const { clock, options } = opening;
  const { file, layout, model } = opened;
  const twins = twinsOf(opened, opening);
  // Making twins is not opening: the next run finds them.
  const startMs = clock.nowMs();
  const prng = createPrng(options.seed, "sampling");
  const sampler = createSampler(options.sampling, () => prng.nextFloat());
  const recorder = new Recorder(layout, () => clock.nowMs());
  const settings = settingsOf(model, opening);
  const noughts = options.cpuExperts ? noughtBytes(layout) : 0;
  const reservedBytes = twins ? twinStaging(twins.layout).bytes : noughts;
  const elasticity = options.kvInBudget
    ? elasticityOf(model, layout, settings, reservedBytes)
    : undefined;
  const obtained = calibrationOf(opened, settings, opening);
  const offloaded = OffloadedModel.open(file, layout, {
    ...settings,
    calibration: obtained?.calibration,
    ...(obtained &&
      options.layerSizes === "miss-curves" && { missCurves: obtained.calibration.missCurves }),
    lowPrecision: twins && {
      twins: twins.layout,
      upgrade: options.lowPrecision?.upgrade === true,
    },
    onLoad: recorder.onLoad,
  });
  offloaded.engine.onRouting = recorder.onRouting;
  const openMs = clock.nowMs() - startMs;
  const facts = factsOf(opened, offloaded, { options, obtained, twins, openMs });
  const elastic =
    elasticity &&
    new ElasticMemory({
      ...elasticity,
      scheduler: offloaded.scheduler,
      allocation: offloaded.memory.allocation,
      missCurves: obtained?.calibration.missCurves,
    });
  const lossy = twins && new LossyCheck();
  const trace = traceOf(opened, offloaded, options);
  return { ...opened, offloaded, elastic, sampler, recorder, facts, trace, lossy };
}

function traceOf({ model }: Opened, offloaded: OffloadedModel, options: SessionOptions) {
  if (options.tracePath === undefined) return undefined;
  try {
    return new SessionTrace(offloaded.engine, options.tracePath, model.name, options.seed);
  } catch (error) {
    offloaded.close();
    throw error;
  }
}

function settingsOf(model: ModelDescription, { clock, options }: Opening): OffloadOptions {
  return {
    strategy: options.strategy,
    ...(options.device && { device: options.device }),
    budgetBytes: options.budgetBytes,
    host: options.host,
    link: options.link,
    disk: options.disk,
    cpuExperts: options.cpuExperts,
    ...(options.tracePath !== undefined && { aheadDepth: AHEAD_DEPTH_MAX }),
    threads: options.threads,
    contextLength: Math.min(model.contextLength, options.contextTokensMax),
    clock: clock.monotonic,
    cancelFlag: clock.cancelFlag,
  };
}

/**
 * The experts in low precision, where misses are answered with them. Where nothing misses there is
 * nothing to answer.
 * @throws MoeError `CONFLICTING_SETTINGS` for a host tier that reads layers ahead
 */
function twinsOf({ file, layout, model }: Opened, opening: Opening): Twins | undefined {
  const { clock, listener, options } = opening;
  const { device = "cpu", host, lowPrecision, strategy } = options;
  if (!lowPrecision || strategy.policy === "all-resident") return undefined;
  if (device !== "cpu") {
    throw new MoeError(
      "low-precision copies are not computed on a card yet. Set lowPrecision.type to none, or " +
        "device to cpu.",
      { code: "CONFLICTING_SETTINGS", settings: ["device", "lowPrecision.type"] },
    );
  }
  if (host.budgetBytes > 0 && host.mode === "window") {
    throw new MoeError(
      "a host tier in window mode reads whole layers ahead and has no place for low-precision " +
        "copies. Set host.mode to lru or pinned, or lowPrecision.type to none.",
      { code: "CONFLICTING_SETTINGS", settings: ["host.mode", "lowPrecision.type"] },
    );
  }
  const { kind, otherFolder } = lowPrecision;
  const request = {
    file,
    model,
    layout,
    kind,
    onProgress: (done: number, total: number) => listener.onTwins?.(done, total),
    throwIfCancelled: () => clock.throwIfCancelled(),
  };
  const twins = openTwinsNear(request, otherFolder);
  // Whoever moves experts opens the file anew.
  twins.file.close();
  return twins;
}

/**
 * What an elastic memory needs to know of the model.
 * @throws MoeError `BUDGET_TOO_SMALL` when a full context would leave too little for experts
 */
function elasticityOf(
  model: ModelDescription,
  layout: ExpertLayout,
  settings: OffloadOptions,
  reservedBytes: number,
) {
  const { contextLength, strategy } = settings;
  const policy = POLICIES[strategy.policy];
  const prefetchWidth = strategy.prefetch.control === "off" ? 0 : strategy.prefetch.width;
  // Keys and values of a token, F16.
  const kvBytesPerToken = model.layerCount * 2 * model.headCountKv * model.headLength * 2;
  const budgetBytes = settings.budgetBytes - contextLength * kvBytesPerToken;
  const least = { budgetBytes: Math.max(0, budgetBytes), policy, prefetchWidth, reservedBytes };
  planExpertMemory(layout, least);
  const keptBytes = settings.budgetBytes - reservedBytes;
  return { layout, policy, prefetchWidth, budgetBytes: keptBytes, kvBytesPerToken };
}

/** A calibration, where the strategy learns from one. */
function calibrationOf(
  { file, layout, tokenizer }: Opened,
  settings: OffloadOptions,
  { clock, listener, options }: Opening,
): ObtainedCalibration | undefined {
  if (options.calibrationTokens === 0 || !isCalibrated(options.strategy)) return undefined;
  const { calibrationText, calibrationTokens } = options;
  const text = calibrationText === undefined ? undefined : tokenizer.encode(calibrationText);
  return obtainCalibration(file, layout, settings, {
    tokenCount: Math.min(calibrationTokens, text?.length ?? calibrationTokens),
    text,
    firstToken: tokenizer.bosToken ?? tokenizer.eosToken ?? 0,
    throwIfCancelled: () => clock.throwIfCancelled(),
    onToken: (done) => listener.onCalibrating?.(done, calibrationTokens),
  });
}

function factsOf(
  { layout, model }: Opened,
  { lane, memory }: OffloadedModel,
  session: {
    options: SessionOptions;
    obtained: ObtainedCalibration | undefined;
    twins: Twins | undefined;
    openMs: number;
  },
): SessionFacts {
  const { obtained, openMs, options, twins } = session;
  const { allocation } = memory;
  return {
    architecture: model.architecture,
    modelName: model.name,
    layerCount: model.layerCount,
    expertCount: model.expertCount,
    expertUsedCount: model.expertUsedCount,
    contextLength: model.contextLength,
    budget: {
      budgetBytes: options.budgetBytes,
      usedBytes: memory.usedBytes,
      slotCount: memory.plan.slotCount,
      slotsByLayer: allocation.slots,
      stagingSlots: allocation.staging * layout.classes.length,
      expertTotal: layout.moeLayers.length * layout.expertCount,
      expertBytes: Math.max(...layout.classes.map((one) => one.expertBytes)),
    },
    readMode: lane?.readMode,
    calibration: obtained && {
      origin: obtained.origin,
      tokenCount: obtained.calibration.tokenCount,
      ...(obtained.notKept !== undefined && { notKept: obtained.notKept }),
    },
    twins: twins && {
      kind: twins.kind,
      expertBytes: Math.max(...twins.layout.classes.map((one) => one.expertBytes)),
      stagingSlots: twinStaging(twins.layout).slotsOfClass.reduce((sum, count) => sum + count, 0),
      wasMade: twins.wasMade,
    },
    openMs,
  };
}
