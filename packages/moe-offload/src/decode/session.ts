import { assert } from "@fmlab/experiment";
import { MoeError } from "../errors.ts";
import type {
  LossyNumbers,
  PromptRecord,
  SessionFacts,
  SessionOptions,
  SessionResult,
  StepRecord,
} from "./messages.ts";
import type { SessionClock } from "./session-clock.ts";
import { closeParts, type OpeningListener, openParts, type SessionParts } from "./session-parts.ts";

/** Told of a session's progress while it generates. */
export interface SessionListener {
  onPrompt(record: PromptRecord): void;
  onStep(record: StepRecord): void;
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
  #prompts: number[][] = [];
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
   * @throws GgufError | MoeError | GgmlError for a file, budget or machine that does not do
   * @throws ExperimentError `CANCELLED`
   */
  static open(
    options: SessionOptions,
    clock: SessionClock,
    listener: OpeningListener = {},
  ): DecodeSession {
    return new DecodeSession(openParts({ options, clock, listener }), options, clock);
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
    this.#prompts.push(promptTokens);
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

  /** Counts, texts and timeline of everything generated; a trace that is recorded ends here. */
  result(): SessionResult {
    const { recorder, offloaded, trace } = this.#parts;
    const moved = offloaded.lane?.counts();
    trace?.finish();
    return {
      tokens: this.#tokens,
      texts: this.#texts,
      routed: recorder.routed,
      loads: recorder.loads,
      loadedBytes: recorder.loadedBytes,
      timeline: recorder.timeline,
      fetchedBytes: moved?.fetchedBytes ?? 0,
      deliveredBytes: moved?.deliveredBytes ?? 0,
      counts: { ...offloaded.scheduler.counts },
    };
  }

  /**
   * Evaluates what was generated once more, every expert in full, and says how far low precision
   * was from it. Counts go on meanwhile: take `result` before. The session generates no more.
   *
   * @param onStep  told of steps compared and in all
   * @returns undefined where nothing was computed in low precision
   * @throws what `generate` throws
   */
  compare(onStep: (done: number, total: number) => void = () => {}): LossyNumbers | undefined {
    const { lossy, offloaded } = this.#parts;
    if (!lossy) return undefined;
    this.#parts.recorder.recordsTimeline = false;
    offloaded.engine.onLayer = undefined;
    let done = 0;
    this.#prompts.forEach((promptTokens, prompt) => {
      const steps = lossy.stepsOf(prompt);
      if (steps === 0) return;
      offloaded.engine.reset();
      this.#evaluate(promptTokens);
      for (let step = 0; step < steps; step++) {
        this.#clock.throwIfCancelled();
        lossy.compare(prompt, step, this.#decode(this.#tokens[prompt]?.[step] ?? 0, false));
        onStep(++done, lossy.stepCount);
      }
    });
    return lossy.numbers();
  }

  /** Frees native memory and file handles; harmless when called twice. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeParts(this.#parts);
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
      logits = this.#decode(token, false);
    }
    assert(logits !== undefined, "a prompt has at least one token");
    return logits;
  }

  /** @param mayLose  misses may be computed in low precision */
  #decode(token: number, mayLose: boolean): Float32Array {
    const { elastic, offloaded } = this.#parts;
    if (offloaded.twins) offloaded.twins.isOn = mayLose;
    elastic?.follow(offloaded.engine.position + 1);
    return offloaded.engine.decode(token);
  }

  #step(prompt: number, token: number, textOf: (token: number) => string): StepRecord {
    const { lossy, offloaded, recorder, sampler } = this.#parts;
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
    const logits = this.#decode(token, true);
    const next = sampler(logits);
    const stepMs = this.#clock.nowMs() - startMs;
    lossy?.keep(prompt, logits);
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
