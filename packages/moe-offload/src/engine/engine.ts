import { Resources } from "../resources.ts";
import type { Computer, PromptEvaluator, SplitTokenGraphs } from "./computer.ts";
import { EngineError, requireOption } from "./errors.ts";
import type {
  EngineOptions,
  ExpertSource,
  LayerHook,
  ModelFile,
  MoeShape,
  RoutingHook,
  SlotPool,
  TokenRoutingHook,
} from "./interfaces.ts";
import type { TokenGraphs } from "./machine.ts";
import { openComputer } from "./open-computer.ts";

/**
 * Computes a Mixture-of-Experts model whose experts live in a pool of slots.
 *
 * Synchronous and meant for a compute thread: a token takes as long as it takes. One engine holds
 * one context; several engines may live in one process and share a thread pool. Logits equal
 * llama.cpp's to the bit, token by token with flash attention on, whatever the number of slots.
 */
export class MoeEngine {
  readonly shape: MoeShape;
  readonly vocabularySize: number;
  readonly contextLength: number;
  /** Told when a phase of a token begins. */
  onLayer: LayerHook | undefined;
  /** Told which experts the router chose. */
  onRouting: RoutingHook | undefined;
  /** Told all that the routers said of each token that is evaluated by itself. */
  onTokenRouting: TokenRoutingHook | undefined;
  readonly #computer: Computer;
  readonly #source: ExpertSource;
  readonly #resources: Resources;
  #whole: TokenGraphs | undefined;
  #split: SplitTokenGraphs | undefined;
  #prompt: PromptEvaluator | undefined;
  #position = 0;
  /** Tokens evaluated by themselves since the engine was opened. */
  #token = 0;
  #isClosed = false;

  /**
   * Loads the dense weights, makes the pool, and asks `source` to take it over. Experts the source
   * wants resident from the start are its own to load, in the call or before the first token.
   *
   * @throws EngineError `BAD_OPTION`
   * @throws MoeError, GgufError for a file that is no usable model; GgmlError for a lack of memory
   */
  static open(
    file: ModelFile,
    options: EngineOptions,
    source: (pool: SlotPool) => ExpertSource,
  ): MoeEngine {
    const resources = new Resources();
    try {
      const computer = openComputer(file, options, resources);
      return new MoeEngine(computer, source(computer.pool), resources);
    } catch (error) {
      resources.close();
      throw error;
    }
  }

  private constructor(computer: Computer, source: ExpertSource, resources: Resources) {
    const { model, pool } = computer;
    if (source.allResident) {
      const all = model.moeLayers.length * model.expertCount;
      requireOption("slotCount for all experts", pool.slotCount, all, Number.MAX_SAFE_INTEGER);
    }
    this.#computer = computer;
    this.#source = source;
    this.#resources = resources;
    this.shape = {
      layerCount: model.layerCount,
      expertCount: model.expertCount,
      expertUsedCount: model.expertUsedCount,
      moeLayers: model.moeLayers,
    };
    this.vocabularySize = model.vocabularySize;
    this.contextLength = computer.contextLength;
    // Built now, so that the first token takes no longer than the others.
    if (source.allResident) this.#wholeGraph();
    else this.#splitGraphs();
  }

  /** Memory for experts; empty once the engine is closed. */
  get pool(): SlotPool {
    return this.#computer.pool;
  }

  /** Tokens in the context. */
  get position(): number {
    return this.#position;
  }

  /**
   * Evaluates tokens after those in the context: as batches when all experts are resident, one by
   * one otherwise.
   *
   * @returns logits of the last token, `[vocabularySize]`, valid until the next evaluation
   * @throws EngineError `TOKEN_OUT_OF_RANGE`, `CONTEXT_FULL`, `BAD_OPTION` for no tokens; then
   *         nothing has been evaluated
   */
  prefill(tokens: ArrayLike<number>): Float32Array {
    this.#requireOpen();
    requireOption("number of tokens", tokens.length, 1, Number.MAX_SAFE_INTEGER);
    this.#requireRoom(tokens.length);
    for (let i = 0; i < tokens.length; i++) this.#requireToken(tokens[i]);
    if (this.#source.allResident && tokens.length > 1) return this.#prefillBatches(tokens);
    let logits: Float32Array = new Float32Array(0);
    for (let i = 0; i < tokens.length; i++) logits = this.#evaluate(tokens[i] ?? 0);
    return logits;
  }

  /**
   * Evaluates one token after those in the context.
   *
   * @returns its logits, `[vocabularySize]`, valid until the next evaluation
   * @throws EngineError `TOKEN_OUT_OF_RANGE` | `CONTEXT_FULL` | `BAD_SLOTS` | `BAD_ROUTING`, and
   *         whatever the source of experts throws; the context is then as before
   */
  decode(token: number): Float32Array {
    this.#requireOpen();
    this.#requireRoom(1);
    this.#requireToken(token);
    return this.#evaluate(token);
  }

  /** Forgets the context. Experts stay where they are. */
  reset(): void {
    this.#requireOpen();
    this.#position = 0;
  }

  /** Frees everything native. Closing twice is allowed. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#resources.close();
  }

  #evaluate(token: number): Float32Array {
    this.#computer.enter([token], 0, 1, this.#position);
    const graphs =
      this.#source.allResident && !this.onLayer ? this.#wholeGraph() : this.#splitting();
    const logits = graphs.evaluate(this.#position);
    this.#position++;
    if (this.onRouting || this.onTokenRouting) this.#tellRouting(graphs);
    this.#token++;
    return logits;
  }

  #tellRouting(graphs: TokenGraphs): void {
    for (const layer of this.#computer.model.moeLayers) {
      const routing = graphs.routing(layer);
      if (!routing) continue;
      routing.token = this.#token;
      routing.position = this.#position - 1;
      this.onRouting?.(layer, routing.experts);
      this.onTokenRouting?.(routing);
    }
  }

  #prefillBatches(tokens: ArrayLike<number>): Float32Array {
    const { batchTokens } = this.#computer;
    this.#prompt ??= this.#resources.add(this.#computer.prompt());
    let logits: Float32Array = new Float32Array(0);
    for (let from = 0; from < tokens.length; from += batchTokens) {
      const tokenCount = Math.min(batchTokens, tokens.length - from);
      this.#computer.enter(tokens, from, tokenCount, this.#position);
      logits = this.#prompt.evaluate({
        tokenCount,
        position: this.#position,
        wantsLogits: from + tokenCount === tokens.length,
        onRouting: this.onRouting,
      });
      this.#position += tokenCount;
    }
    return logits;
  }

  #wholeGraph(): TokenGraphs {
    this.#whole ??= this.#resources.add(this.#computer.whole());
    return this.#whole;
  }

  #splitGraphs(): SplitTokenGraphs {
    this.#split ??= this.#resources.add(this.#computer.split(this.#source));
    return this.#split;
  }

  #splitting(): SplitTokenGraphs {
    const split = this.#splitGraphs();
    split.onLayer = this.onLayer;
    return split;
  }

  #requireOpen(): void {
    if (this.#isClosed) {
      throw new EngineError("this engine is closed; open a new one", { code: "ENGINE_CLOSED" });
    }
  }

  #requireToken(token: number | undefined): void {
    const { vocabularySize } = this;
    if (token !== undefined && Number.isInteger(token) && token >= 0 && token < vocabularySize)
      return;
    throw new EngineError(
      `token ${token} is not in the vocabulary; expected 0 to ${vocabularySize - 1}`,
      { code: "TOKEN_OUT_OF_RANGE", token: Number(token), vocabularySize },
    );
  }

  #requireRoom(tokens: number): void {
    const { contextLength } = this;
    if (this.#position + tokens <= contextLength) return;
    throw new EngineError(
      `the context holds ${contextLength} tokens; ${this.#position} are in it and ${tokens} more ` +
        "do not fit. Shorten the prompt or reset the context",
      { code: "CONTEXT_FULL", position: this.#position, tokens, contextLength },
    );
  }
}
