import { type Backend, GgmlLibrary, ThreadPool } from "@fmlab/ggml";
import { expertLayout } from "../model/expert-layout.ts";
import { ContextMemory } from "./context-memory.ts";
import { EngineError, requireOption } from "./errors.ts";
import { type HyperParameters, readHyperParameters } from "./hyper-parameters.ts";
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
import type { Machine, TokenGraphs } from "./machine.ts";
import { PromptGraph } from "./prompt-graph.ts";
import { NativeSlotPool } from "./slot-pool.ts";
import { SplitGraphs } from "./split-graphs.ts";
import { loadWeights } from "./weights.ts";
import { WholeGraph } from "./whole-graph.ts";

/** Chosen; also llama.cpp's default, so that batches can be compared. */
const BATCH_TOKENS_DEFAULT = 512;
const THREADS_MAX = 64;
const AHEAD_DEPTH_MAX = 3;

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
  readonly #machine: Machine;
  readonly #source: ExpertSource;
  readonly #resources: Resources;
  #whole: WholeGraph | undefined;
  #split: SplitGraphs | undefined;
  #prompt: PromptGraph | undefined;
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
      const machine = openMachine(file, options, resources);
      return new MoeEngine(machine, source(machine.pool), resources);
    } catch (error) {
      resources.close();
      throw error;
    }
  }

  private constructor(machine: Machine, source: ExpertSource, resources: Resources) {
    const { model, context, pool } = machine;
    if (source.allResident) {
      const all = model.moeLayers.length * model.expertCount;
      requireOption("slotCount for all experts", pool.slotCount, all, Number.MAX_SAFE_INTEGER);
    }
    this.#machine = machine;
    this.#source = source;
    this.#resources = resources;
    this.shape = {
      layerCount: model.layerCount,
      expertCount: model.expertCount,
      expertUsedCount: model.expertUsedCount,
      moeLayers: model.moeLayers,
    };
    this.vocabularySize = model.vocabularySize;
    this.contextLength = context.contextLength;
    // Built now, so that the first token takes no longer than the others.
    if (source.allResident) this.#wholeGraph();
    else this.#splitGraphs();
  }

  /** Memory for experts; empty once the engine is closed. */
  get pool(): SlotPool {
    return this.#machine.pool;
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
    const { context } = this.#machine;
    context.enter([token], 0, 1, this.#position);
    const graphs =
      this.#source.allResident && !this.onLayer ? this.#wholeGraph() : this.#splitting();
    const logits = graphs.evaluate(this.#position);
    this.#position++;
    if (this.onRouting || this.onTokenRouting) this.#tellRouting(graphs);
    this.#token++;
    return logits;
  }

  #tellRouting(graphs: TokenGraphs): void {
    for (const layer of this.#machine.model.moeLayers) {
      const routing = graphs.routing(layer);
      if (!routing) continue;
      routing.token = this.#token;
      routing.position = this.#position - 1;
      this.onRouting?.(layer, routing.experts);
      this.onTokenRouting?.(routing);
    }
  }

  #prefillBatches(tokens: ArrayLike<number>): Float32Array {
    const { context } = this.#machine;
    this.#prompt ??= this.#resources.add(new PromptGraph(this.#machine));
    let logits: Float32Array = new Float32Array(0);
    for (let from = 0; from < tokens.length; from += context.batchTokens) {
      const tokenCount = Math.min(context.batchTokens, tokens.length - from);
      context.enter(tokens, from, tokenCount, this.#position);
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

  #wholeGraph(): WholeGraph {
    this.#whole ??= this.#resources.add(new WholeGraph(this.#machine));
    return this.#whole;
  }

  #splitGraphs(): SplitGraphs {
    this.#split ??= this.#resources.add(new SplitGraphs(this.#machine, this.#source));
    return this.#split;
  }

  #splitting(): SplitGraphs {
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

/** What an engine owns, freed in the reverse order of its making. */
class Resources {
  readonly #owned: { close(): void }[] = [];

  add<T extends { close(): void }>(resource: T): T {
    this.#owned.push(resource);
    return resource;
  }

  close(): void {
    for (let last = this.#owned.pop(); last; last = this.#owned.pop()) last.close();
  }
}

function openMachine(file: ModelFile, options: EngineOptions, resources: Resources): Machine {
  const model = readHyperParameters(file);
  checkOptions(options, model);
  const device = GgmlLibrary.load().cpu;
  const backend = resources.add(device.open());
  useThreads(backend, options, resources);
  const weights = loadWeights(file, model, device);
  resources.add(weights.arena);
  const layout = options.layout ?? expertLayout(file, model);
  const pool = resources.add(new NativeSlotPool(layout, device, options.slotCount));
  const contextLength = options.contextLength ?? model.contextLength;
  const batchTokens = Math.min(options.batchTokens ?? BATCH_TOKENS_DEFAULT, contextLength);
  const context = resources.add(new ContextMemory(model, device, contextLength, batchTokens));
  return { device, backend, model, weights, context, pool, aheadDepth: options.aheadDepth ?? 0 };
}

function checkOptions(options: EngineOptions, model: HyperParameters): void {
  const { threads, threadPool } = options;
  const slotsMax = model.moeLayers.length * model.expertCount;
  for (const count of [options.slotCount].flat()) {
    requireOption("slotCount", count, model.expertUsedCount, slotsMax);
  }
  requireOption("aheadDepth", options.aheadDepth ?? 0, 0, AHEAD_DEPTH_MAX);
  requireOption("threads", threads, 1, THREADS_MAX);
  if (threadPool)
    requireOption("threads with a pool", threads, threadPool.threads, threadPool.threads);
  if (options.contextLength !== undefined) {
    requireOption("contextLength", options.contextLength, 1, model.contextLength);
  }
  if (options.batchTokens !== undefined) {
    requireOption("batchTokens", options.batchTokens, 1, 65_536);
  }
}

// Without a pool two threads are slower than one, because ggml starts them anew for every graph.
function useThreads(backend: Backend, options: EngineOptions, resources: Resources): void {
  if (options.threadPool) backend.useThreadPool(options.threadPool);
  else if (options.threads > 1) {
    const { library } = backend.device;
    const pool = resources.add(new ThreadPool(library, { threads: options.threads }));
    backend.useThreadPool(pool);
  }
}
