import { assert } from "@fmlab/experiment";
import { type GgufFile, openGguf } from "@fmlab/ggml";
import { createPrng } from "@fmlab/sim";
import { MoeEngine } from "../engine/engine.ts";
import { MoeError } from "../errors.ts";
import { planBudget } from "../experts/budget.ts";
import type { WaitClock } from "../experts/clock.ts";
import { ExpertCache } from "../experts/expert-cache.ts";
import { ExpertStore } from "../experts/expert-store.ts";
import { Link } from "../experts/link.ts";
import { badModel, describeModel, type ModelDescription } from "../model/description.ts";
import { expertLayout } from "../model/expert-layout.ts";
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

/** Told of a session's progress while it generates. */
export interface SessionListener {
  onPrompt(record: PromptRecord): void;
  onStep(record: StepRecord): void;
}

/** What an open session holds; `close` frees it in the reverse order. */
interface SessionParts {
  file: GgufFile;
  store: ExpertStore;
  engine: MoeEngine;
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
  #clock: WaitClock;
  #tokens: number[][] = [];
  #texts: string[] = [];
  #stepCount = 0;
  #isClosed = false;

  private constructor(parts: SessionParts, options: SessionOptions, clock: WaitClock) {
    this.facts = parts.facts;
    this.#parts = parts;
    this.#options = options;
    this.#clock = clock;
  }

  /**
   * Opens a model file and loads what stays resident.
   *
   * @throws GgufError | MoeError | GgmlError for a file, budget or machine that does not do
   * @throws ExperimentError `CANCELLED`
   */
  static open(options: SessionOptions, clock: WaitClock): DecodeSession {
    const opened: { close(): void }[] = [];
    try {
      return new DecodeSession(openParts(options, clock, opened), options, clock);
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
    const { engine, recorder, sampler, tokenizer } = this.#parts;
    const promptTokens = this.encode(prompt);
    this.#checkContext(promptTokens.length, maxTokens);
    const index = this.#tokens.length;
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    const textOf = (token: number) =>
      decoder.decode(tokenizer.bytesOf(token, false), { stream: true });

    engine.reset();
    recorder.takeStep();
    const startMs = this.#clock.nowMs();
    const logits = this.#evaluate(promptTokens);
    const prefillMs = this.#clock.nowMs() - startMs;
    let token = sampler(logits);
    const firstTokenMs = this.#clock.nowMs() - startMs;
    const prefill = recorder.takeStep();
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
    const { recorder, store } = this.#parts;
    return {
      tokens: this.#tokens,
      texts: this.#texts,
      routed: recorder.routed,
      loads: recorder.loads,
      timeline: recorder.timeline,
      fetchedBytes: store.fetchedBytes,
      deliveredBytes: store.deliveredBytes,
    };
  }

  /** Frees native memory and file handles; harmless when called twice. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { engine, store, file } = this.#parts;
    closeAll([file, store, engine]);
  }

  #evaluate(promptTokens: number[]): Float32Array {
    const { engine } = this.#parts;
    if (this.#options.promptEvaluation === "batch" && this.#options.policy === "all-resident") {
      return engine.prefill(Int32Array.from(promptTokens));
    }
    let logits: Float32Array | undefined;
    for (const token of promptTokens) {
      this.#clock.throwIfCancelled();
      logits = engine.decode(token);
    }
    assert(logits !== undefined, "a prompt has at least one token");
    return logits;
  }

  #step(prompt: number, token: number, textOf: (token: number) => string): StepRecord {
    const { engine, recorder, sampler } = this.#parts;
    this.#clock.throwIfCancelled();
    const isRecorded = this.#stepCount < this.#options.timelineTokens;
    if (isRecorded !== recorder.recordsTimeline) {
      recorder.recordsTimeline = isRecorded;
      engine.onLayer = isRecorded ? recorder.onPhase : undefined;
    }
    this.#stepCount++;
    recorder.countsDecode = true;
    const startMs = this.#clock.nowMs();
    const next = sampler(engine.decode(token));
    const stepMs = this.#clock.nowMs() - startMs;
    recorder.countsDecode = false;
    const counts = recorder.takeStep();
    // The end of the text belongs to the result, not to the text.
    const text = this.#isEnd(next) ? "" : textOf(next);
    return { prompt, token: next, text, stepMs, ...counts };
  }

  #isEnd(token: number): boolean {
    return !this.#options.ignoreEnd && token === this.#parts.tokenizer.eosToken;
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

function openParts(
  options: SessionOptions,
  clock: WaitClock,
  opened: { close(): void }[],
): SessionParts {
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
  const definition = POLICIES[options.policy];
  const budget = planBudget(options.budgetBytes, layout, definition);
  const sampler = createSampler(options.sampling, () => prng.nextFloat());
  const prng = createPrng(options.seed, "sampling");
  const link = new Link(options.link, clock);
  const store = new ExpertStore(options.modelPath, layout);
  opened.push(store);
  const recorder = new Recorder(layout, () => clock.nowMs());
  const policy = definition.create(layout, budget.slotCount);
  const contextLength = Math.min(model.contextLength, options.contextTokensMax);
  const engine = MoeEngine.open(
    file,
    { slotCount: budget.slotCount, threads: options.threads, contextLength },
    (pool) => {
      const cache = new ExpertCache({ pool, store, link, policy, clock, onLoad: recorder.onLoad });
      cache.fill();
      return cache;
    },
  );
  opened.push(engine);
  engine.onRouting = recorder.onRouting;
  const facts: SessionFacts = {
    architecture: model.architecture,
    modelName: model.name,
    layerCount: model.layerCount,
    expertCount: model.expertCount,
    expertUsedCount: model.expertUsedCount,
    contextLength: model.contextLength,
    budget,
    readMode: store.readMode,
    openMs: clock.nowMs() - startMs,
  };
  return { file, store, engine, model, tokenizer, sampler, recorder, facts };
}

/** Closes in the reverse order of opening; the last one opened may use the others. */
function closeAll(opened: { close(): void }[]): void {
  for (const part of opened.reverse()) part.close();
}
