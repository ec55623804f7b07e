import { assert } from "@fmlab/experiment";
import type { Machine } from "../engine/machine.ts";
import { SplitGraphs } from "../engine/split-graphs.ts";
import { emptyCounts, MixedSource, type TierCounts } from "../precision/mixed-source.ts";
import { type PrecisionRule, UniformRule } from "../precision/rules.ts";
import type { TierFile } from "../precision/tiered-pool.ts";
import { BatchEvaluator } from "./batch-evaluator.ts";
import {
  type EvaluationMachine,
  type EvaluationOptions,
  openEvaluation,
} from "./evaluation-machine.ts";

/**
 * Evaluates windows of text teacher-forced, with experts in the precisions that rules choose: as
 * batches, like a prefill, or token by token, like decoding. Each window begins with an empty
 * context.
 */
export class TextEvaluator {
  readonly vocabularySize: number;
  readonly width: number;
  readonly tierCount: number;
  /** What the model is computed on, as it calls itself. */
  readonly deviceName: string;
  readonly #parts: EvaluationMachine;
  readonly #batches: BatchEvaluator;
  readonly #throwIfCancelled: () => void;
  #tokens: { graphs: SplitGraphs; source: MixedSource } | undefined;
  #isClosed = false;

  /**
   * Loads a model with all its experts in every precision.
   *
   * @param tiers  the model's own precision first; the caller closes the files
   * @throws MoeError | GgufError | GgmlError; ExperimentError `CANCELLED`
   */
  constructor(tiers: readonly [TierFile, ...TierFile[]], options: EvaluationOptions) {
    this.#parts = openEvaluation(tiers, options);
    const { machine, tiered } = this.#parts;
    this.deviceName = machine.device.description;
    this.#batches = new BatchEvaluator(machine, tiered);
    this.#throwIfCancelled = options.throwIfCancelled ?? (() => {});
    this.vocabularySize = machine.model.vocabularySize;
    this.width = machine.model.embeddingLength;
    this.tierCount = tiered.tierCount;
  }

  /** Counts for `evaluate` to add to. */
  newCounts(): TierCounts {
    return emptyCounts(this.tierCount);
  }

  /**
   * Evaluates a window by itself: token by token when the rule needs that or `perToken` asks for
   * it, as batches otherwise.
   *
   * @param tokens  at most the context; each in the vocabulary
   * @param counts  uses by precision are added
   * @returns what the last layer gives to the head, `[tokens, width]`
   */
  evaluate(
    tokens: ArrayLike<number>,
    rule: PrecisionRule,
    counts: TierCounts,
    perToken = rule.isPerToken,
  ): Float32Array {
    const { contextLength } = this.#parts;
    assert(!this.#isClosed, "a closed evaluator is not used");
    assert(tokens.length <= contextLength, "a window fits the context");
    for (let i = 0; i < tokens.length; i++) {
      const token = tokens[i] ?? -1;
      assert(token >= 0 && token < this.vocabularySize, "tokens are in the vocabulary");
    }
    const hidden = new Float32Array(tokens.length * this.width);
    const { host, machine } = this.#parts;
    if (!perToken) this.#evaluateBatches(tokens, rule, counts, hidden, machine.context.batchTokens);
    else if (host) this.#evaluateTokens(host, tokens, rule, counts, hidden);
    // Graphs of a token on a card take experts of one precision; batches of one take any.
    else this.#evaluateBatches(tokens, rule, counts, hidden, 1);
    return hidden;
  }

  /**
   * Logits of rows that `evaluate` returned.
   * @param hidden  `[tokens, width]`
   * @returns `[tokens, vocabulary]`
   */
  logits(hidden: Float32Array): Float32Array {
    return this.#batches.logits(hidden);
  }

  /** Frees everything native; harmless when called twice. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#tokens?.graphs.close();
    this.#batches.close();
    this.#parts.close();
  }

  #evaluateBatches(
    tokens: ArrayLike<number>,
    rule: PrecisionRule,
    counts: TierCounts,
    hidden: Float32Array,
    batchTokens: number,
  ): void {
    for (let position = 0; position < tokens.length; position += batchTokens) {
      this.#throwIfCancelled();
      const tokenCount = Math.min(batchTokens, tokens.length - position);
      const rows = this.#batches.evaluate({ tokens, position, tokenCount }, rule, counts);
      hidden.set(rows, position * this.width);
    }
  }

  #evaluateTokens(
    host: Machine,
    tokens: ArrayLike<number>,
    rule: PrecisionRule,
    counts: TierCounts,
    hidden: Float32Array,
  ): void {
    const { context } = host;
    const { graphs, source } = this.#tokenGraphs(host);
    source.rule = rule;
    source.counts = counts;
    const row = context.hidden.float32();
    for (let position = 0; position < tokens.length; position++) {
      this.#throwIfCancelled();
      context.enter(tokens, position, 1, position);
      graphs.evaluate(position);
      hidden.set(row, position * this.width);
    }
  }

  #tokenGraphs(host: Machine): { graphs: SplitGraphs; source: MixedSource } {
    if (this.#tokens === undefined) {
      const { expertUsedCount } = host.model;
      const source = new MixedSource(this.#parts.tiered, new UniformRule(0), expertUsedCount);
      this.#tokens = { graphs: new SplitGraphs(host, source), source };
    }
    return this.#tokens;
  }
}
