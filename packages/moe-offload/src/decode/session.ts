import { assert } from "@fmlab/experiment";
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
import { ElasticMemory } from "../offload/elastic-memory.ts";
import { planExpertMemory } from "../offload/expert-memory.ts";
import { OffloadedModel, type OffloadOptions } from "../offload/offloaded-model.ts";
import { POLICIES } from "../policies/registry.ts";
import { createSampler, type Sampler } from "../sampling/sampler.ts";
import { Tokenizer } from "../tokenizer/tokenizer.ts";
import type {
  PromptRecord,
  SessionFacts,
  SessionOptions,
  SessionResult,
  StepRecord,
} from "./messages.ts";
import { Recorder } from "./recorder.ts";
import type { SessionClock } from "./session-clock.ts";

/** Told of a session's progress while it generates. */
export interface SessionListener {
  onPrompt(record: PromptRecord): void;
  onStep(record: StepRecord): void;
}

/** What an open session holds; `close` frees it in the reverse order. */
interface SessionParts {
  file: GgufFile;
  offloaded: OffloadedModel;
  /** Set when the KV cache is paid for by the budget. */
  elastic: ElasticMemory | undefined;
  model: ModelDescription;
  tokenizer: Tokenizer;
  sampler: Sampler;
  recorder: Recorder;
  facts: SessionFacts;
}

/**
 * A model opened for decoding with its experts kept by a policy under a budget. Synchronous:
 * belongs on a compute thread (`startDecodeWorker`), or in a benchmark.
 */
export class DecodeSession {
  readonly facts: SessionFacts;
  #parts: SessionParts;
  #options: SessionOptions;
  #clock: SessionClock;
  #tokens: number[][] = [];
  #texts: string[] = [];
  #stepCount = 0;
  #isClosed = false;

  private constructor(parts: SessionParts, options: SessionOptions, clock: SessionClock) {
    this.facts = parts.facts;
    this.#parts = parts;
    this.#options = options;
    this.#clock = clock;
  }

  /**
   * Opens a model file and loads what stays resident.
   *
   * @param onCalibrating  told of tokens written, where the strategy has to learn first
   * @throws GgufError | MoeError | GgmlError for a file, budget or machine that does not do
   * @throws ExperimentError `CANCELLED`
   */
  static open(
    options: SessionOptions,
    clock: SessionClock,
    onCalibrating: (done: number, total: number) => void = () => {},
  ): DecodeSession {
    const opened: { close(): void }[] = [];
    try {
      const parts = openParts({ options, clock, onCalibrating }, opened);
      return new DecodeSession(parts, options, clock);
    } catch (error) {
      closeAll(opened);
      throw error;
    }
  }

  /** The tokens a prompt is evaluated as. */
  encode(prompt: string): number[] {
    return this.#parts.tokenizer.encode(prompt);
  }

  /**
   * Evaluates a prompt from an empty context and continues it by at most `maxTokens` tokens; the
   * experts in memory stay from prompt to prompt.
   *
   * @returns the chosen tokens, without an end token
   * @throws MoeError `CONTEXT_TOO_SMALL` | `EXPERT_UNREADABLE` | `BAD_LOGITS`
   * @throws ExperimentError `CANCELLED`
   */
  generate(prompt: string, maxTokens: number, listener: SessionListener): number[] {
    assert(!this.#isClosed, "a closed session is not used");
    const { offloaded, recorder, sampler, tokenizer } = this.#parts;
    const { engine, scheduler } = offloaded;
    const promptTokens = this.encode(prompt);
    this.#checkContext(promptTokens.length, maxTokens);
    const index = this.#tokens.length;
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    const textOf = (token: number) =>
      decoder.decode(tokenizer.bytesOf(token, false), { stream: true });

    engine.reset();
    this.#parts.elastic?.follow(0);
    recorder.takeStep(scheduler);
    const startMs = this.#clock.nowMs();
    const logits = this.#evaluate(promptTokens);
    const prefillMs = this.#clock.nowMs() - startMs;
    let token = sampler(logits);
    const firstTokenMs = this.#clock.nowMs() - startMs;
    const prefill = recorder.takeStep(scheduler);
    let text = textOf(token);
    const tokens: number[] = [];
    this.#tokens.push(tokens);
    listener.onPrompt({
      prompt: index,
      promptTokens: promptTokens.length,
      prefillMs,
      prefillBytes: prefill.bytes,
      prefillStallMs: prefill.stallMs,
      firstTokenMs,
      firstToken: token,
      firstText: text,
    });
    while (!this.#isEnd(token)) {
      tokens.push(token);
      if (tokens.length >= maxTokens) break;
      const step = this.#step(index, token, textOf);
      text += step.text;
      token = step.token;
      listener.onStep(step);
    }
    this.#texts.push(text + decoder.decode());
    return tokens;
  }

  /** Counts, texts and timeline of everything generated so far. */
  result(): SessionResult {
    const { recorder, offloaded } = this.#parts;
    const moved = offloaded.lane?.counts();
    return {
      tokens: this.#tokens,
      texts: this.#texts,
      routed: recorder.routed,
      loads: recorder.loads,
      timeline: recorder.timeline,
      fetchedBytes: moved?.fetchedBytes ?? 0,
      deliveredBytes: moved?.deliveredBytes ?? 0,
      counts: { ...offloaded.scheduler.counts },
    };
  }

  /** Frees native memory and file handles; harmless when called twice. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { offloaded, file } = this.#parts;
    closeAll([file, offloaded]);
  }

  #evaluate(promptTokens: number[]): Float32Array {
    const { engine } = this.#parts.offloaded;
    const { promptEvaluation, strategy } = this.#options;
    if (promptEvaluation === "batch" && strategy.policy === "all-resident") {
      return engine.prefill(Int32Array.from(promptTokens));
    }
    let logits: Float32Array | undefined;
    for (const token of promptTokens) {
      this.#clock.throwIfCancelled();
      this.#parts.elastic?.follow(engine.position + 1);
      logits = engine.decode(token);
    }
    assert(logits !== undefined, "a prompt has at least one token");
    return logits;
  }

  #step(prompt: number, token: number, textOf: (token: number) => string): StepRecord {
    const { offloaded, recorder, sampler } = this.#parts;
    const { engine, scheduler } = offloaded;
    this.#clock.throwIfCancelled();
    const isRecorded = this.#stepCount < this.#options.timelineTokens;
    if (isRecorded !== recorder.recordsTimeline) {
      recorder.recordsTimeline = isRecorded;
      engine.onLayer = isRecorded ? recorder.onPhase : undefined;
    }
    this.#stepCount++;
    recorder.countsDecode = true;
    const startMs = this.#clock.nowMs();
    this.#parts.elastic?.follow(engine.position + 1);
    const next = sampler(engine.decode(token));
    const stepMs = this.#clock.nowMs() - startMs;
    const counts = recorder.takeStep(scheduler);
    recorder.countsDecode = false;
    // The end of the text belongs to the result, not to the text.
    const text = this.#isEnd(next) ? "" : textOf(next);
    return { prompt, token: next, text, stepMs, ...counts };
  }

  #isEnd(token: number): boolean {
    return !this.#options.ignoreEnd && this.#parts.tokenizer.endTokens.has(token);
  }

  #checkContext(promptTokens: number, maxTokens: number): void {
    const { contextLength } = this.#parts.model;
    // The last chosen token is not evaluated, so it takes no place.
    if (promptTokens > 0 && promptTokens + maxTokens - 1 <= contextLength) return;
    throw new MoeError(
      `the prompt has ${promptTokens} tokens and ${maxTokens} more are asked for; the model's ` +
        `context holds ${contextLength}. Shorten the prompt or lower maxTokens to at most ` +
        `${Math.max(0, contextLength - promptTokens + 1)}.`,
      { code: "CONTEXT_TOO_SMALL", promptTokens, maxTokens, contextLength },
    );
  }
}

/** What a session is opened with. */
interface Opening {
  options: SessionOptions;
  clock: SessionClock;
  onCalibrating(done: number, total: number): void;
}

function openParts(opening: Opening, opened: { close(): void }[]): SessionParts {
  const { clock, options } = opening;
  const startMs = clock.nowMs();
  clock.throwIfCancelled();
  const file = openGguf(options.modelPath);
  opened.push(file);
  const model = describeModel(file);
  const tokenizer = new Tokenizer(file);
  if (tokenizer.vocabularySize !== model.vocabularySize) {
    const { vocabularySize } = tokenizer;
    throw badModel(
      file,
      `its tokenizer has ${vocabularySize} tokens, its embedding ${model.vocabularySize}`,
    );
  }
  const layout = expertLayout(file, model);
  const prng = createPrng(options.seed, "sampling");
  const sampler = createSampler(options.sampling, () => prng.nextFloat());
  const recorder = new Recorder(layout, () => clock.nowMs());
  const contextLength = Math.min(model.contextLength, options.contextTokensMax);
  const settings: OffloadOptions = {
    strategy: options.strategy,
    budgetBytes: options.budgetBytes,
    host: options.host,
    link: options.link,
    disk: options.disk,
    threads: options.threads,
    contextLength,
    clock: clock.monotonic,
    cancelFlag: clock.cancelFlag,
  };
  const elasticity = options.kvInBudget ? elasticityOf(model, layout, settings) : undefined;
  const obtained = calibrationOf(file, layout, settings, { ...opening, tokenizer });
  const offloaded = OffloadedModel.open(file, layout, {
    ...settings,
    calibration: obtained?.calibration,
    onLoad: recorder.onLoad,
  });
  opened.push(offloaded);
  offloaded.engine.onRouting = recorder.onRouting;
  const openMs = clock.nowMs() - startMs;
  const facts = factsOf(model, layout, offloaded, { options, obtained, openMs });
  const elastic =
    elasticity &&
    new ElasticMemory({
      ...elasticity,
      scheduler: offloaded.scheduler,
      allocation: offloaded.memory.allocation,
      missCurves: obtained?.calibration.missCurves,
    });
  return { file, offloaded, elastic, model, tokenizer, sampler, recorder, facts };
}

/**
 * What an elastic memory needs to know of the model.
 * @throws MoeError `BUDGET_TOO_SMALL` when a full context would leave too little for experts
 */
function elasticityOf(model: ModelDescription, layout: ExpertLayout, settings: OffloadOptions) {
  const { budgetBytes, contextLength, strategy } = settings;
  const policy = POLICIES[strategy.policy];
  const prefetchWidth = strategy.prefetch.control === "off" ? 0 : strategy.prefetch.width;
  // Keys and values of a token, F16.
  const kvBytesPerToken = model.layerCount * 2 * model.headCountKv * model.headLength * 2;
  const left = budgetBytes - contextLength * kvBytesPerToken;
  planExpertMemory(layout, { budgetBytes: Math.max(0, left), policy, prefetchWidth });
  return { layout, policy, prefetchWidth, budgetBytes, kvBytesPerToken };
}

/** A calibration, where the strategy learns from one. */
function calibrationOf(
  file: GgufFile,
  layout: ExpertLayout,
  settings: OffloadOptions,
  session: Opening & { tokenizer: Tokenizer },
): ObtainedCalibration | undefined {
  const { clock, options, tokenizer } = session;
  if (options.calibrationTokens === 0 || !isCalibrated(options.strategy)) return undefined;
  return obtainCalibration(file, layout, settings, {
    tokenCount: options.calibrationTokens,
    firstToken: tokenizer.bosToken ?? tokenizer.eosToken ?? 0,
    throwIfCancelled: () => clock.throwIfCancelled(),
    onToken: (done) => session.onCalibrating(done, options.calibrationTokens),
  });
}

function factsOf(
  model: ModelDescription,
  layout: ExpertLayout,
  { lane, memory }: OffloadedModel,
  session: { options: SessionOptions; obtained: ObtainedCalibration | undefined; openMs: number },
): SessionFacts {
  const { obtained, openMs, options } = session;
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
    openMs,
  };
}

/** Closes in the reverse order of opening; the last one opened may use the others. */
function closeAll(opened: { close(): void }[]): void {
  for (const part of opened.reverse()) part.close();
}
