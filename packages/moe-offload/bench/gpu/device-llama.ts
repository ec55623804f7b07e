import { createRequire } from "node:module";
import { type Device, HostMemory } from "@fmlab/ggml";
import type koffiModule from "koffi";
import type { LlamaBatch } from "./llama-batch.ts";
import { bindLlama, type LlamaFunctions } from "./llama-functions.ts";

/** How llama.cpp is put on a card. Flash attention is on and the whole context lies on the card. */
export interface DeviceLlamaOptions {
  readonly contextLength: number;
  readonly vocabularySize: number;
  /**
   * The routed experts of so many first layers are kept in host memory and computed there, as with
   * `--n-cpu-moe`; 0: all lie on the card.
   */
  readonly cpuLayers: number;
  /** Threads of what is computed on the CPU. */
  readonly threads: number;
  /** Sequences that have the context in equal parts; default 1. */
  readonly sequences?: number;
  /** Most tokens of a batch, and of those how many are computed together; default 512. */
  readonly batchTokens?: number;
  readonly togetherTokens?: number;
}

/** Tokens of one prompt batch; also what the engine takes at once. */
const BATCH_TOKENS = 512;
/** More than any model has. */
const ALL_LAYERS = 999;

/**
 * The tensors of routed experts in the first layers, as `--n-cpu-moe` says it, in one pattern.
 * @see llama.cpp common/common.h `LLM_FFN_EXPS_REGEX`, `llm_ffn_exps_block_regex` (b7347)
 */
export function expertsPattern(layers: number): string {
  const numbers = Array.from({ length: layers }, (_, layer) => layer).join("|");
  return `blk\\.(${numbers})\\.ffn_(up|down|gate)_(ch|)exps`;
}

/**
 * llama.cpp of the package whose ggml the engine uses, on the same card: both see one registry of
 * devices, since the library it needs is the one already loaded. Bench code: arguments are not
 * checked.
 */
export class DeviceLlama {
  readonly #api: LlamaFunctions;
  readonly #koffi: typeof koffiModule;
  readonly #memory: HostMemory;
  readonly #model: bigint;
  readonly #context: bigint;
  readonly #tokens = new Int32Array(BATCH_TOKENS);
  readonly #vocabularySize: number;
  /** By address: a view costs memory for good, and logits nearly always lie at the same places. */
  readonly #views = new Map<bigint, Float32Array>();

  /** @throws Error when libllama is missing, has another layout, or cannot load the model */
  constructor(modelPath: string, device: Device, options: DeviceLlamaOptions) {
    const { library } = device;
    this.#koffi = createRequire(import.meta.url)("koffi") as typeof koffiModule;
    const api = bindLlama(this.#koffi, library.directory);
    this.#api = api;
    this.#vocabularySize = options.vocabularySize;
    this.#memory = new HostMemory(library.foreign, LISTS_BYTES, "lists of libllama");
    const lists = this.#fillLists(device, expertsPattern(options.cpuLayers));
    const modelParams = api.modelDefaults() as Record<string, unknown>;
    if (modelParams.use_mmap !== true || modelParams.n_gpu_layers === undefined) {
      throw new Error("llama_model_params has another layout than that of b7347");
    }
    modelParams.devices = lists.devices;
    modelParams.n_gpu_layers = ALL_LAYERS;
    if (options.cpuLayers > 0) modelParams.tensor_buft_overrides = lists.overrides;
    const model = api.load(modelPath, modelParams) as bigint | null;
    if (!model) throw new Error(`llama.cpp cannot load ${modelPath} on ${device.name}`);
    this.#model = model;
    const params = api.contextDefaults() as Record<string, unknown>;
    params.n_ctx = options.contextLength;
    params.n_batch = options.batchTokens ?? BATCH_TOKENS;
    params.n_ubatch = options.togetherTokens ?? BATCH_TOKENS;
    params.n_seq_max = options.sequences ?? 1;
    params.n_threads = options.threads;
    params.n_threads_batch = options.threads;
    params.flash_attn_type = 1;
    const context = api.create(model, params) as bigint | null;
    if (!context) throw new Error("llama.cpp cannot make a context");
    this.#context = context;
  }

  /** Evaluates tokens after those in the context, in batches; logits of the last. */
  evaluate(tokens: Int32Array): Float32Array {
    for (let from = 0; from < tokens.length; from += BATCH_TOKENS) {
      const batch = tokens.subarray(from, from + BATCH_TOKENS);
      this.#tokens.set(batch);
      this.#decode(batch.length);
    }
    return this.#logitsAt(-1);
  }

  /** Evaluates one token; its logits. */
  evaluateOne(token: number): Float32Array {
    this.#tokens[0] = token;
    this.#decode(1);
    return this.#logitsAt(-1);
  }

  /** Evaluates tokens of several sequences. */
  evaluateBatch(batch: LlamaBatch): void {
    this.#check(this.#api.decode(this.#context, batch.struct));
  }

  /** The likeliest next token after a token of the last batch; waits for the card. */
  likeliestAt(index: number): number {
    const logits = this.#logitsAt(index);
    let best = 0;
    for (let token = 1; token < logits.length; token++) {
      if ((logits[token] ?? 0) > (logits[best] ?? 0)) best = token;
    }
    return best;
  }

  /** Forgets the context, without clearing its memory. */
  reset(): void {
    this.#api.clear(this.#api.memory(this.#context), false);
  }

  close(): void {
    this.#api.freeContext(this.#context);
    this.#api.freeModel(this.#model);
    this.#views.clear();
    this.#memory.free();
  }

  #decode(count: number): void {
    this.#check(this.#api.decode(this.#context, this.#api.batch(this.#tokens, count)));
  }

  #check(status: unknown): void {
    if (status !== 0) throw new Error(`llama_decode failed with ${status}`);
  }

  #logitsAt(index: number): Float32Array {
    const address = this.#api.logits(this.#context, index) as bigint;
    const found = this.#views.get(address);
    if (found) return found;
    const view = new Float32Array(this.#koffi.view(address, this.#vocabularySize * 4));
    this.#views.set(address, view);
    return view;
  }

  /** `{ device, NULL }` and `{ { pattern, CPU buffers }, { NULL, NULL } }`, in native memory. */
  #fillLists(
    { library, pointer }: Device,
    experts: string,
  ): Record<"devices" | "overrides", bigint> {
    const { address } = this.#memory;
    const pattern = this.#memory.bytes(PATTERN_AT, LISTS_BYTES - PATTERN_AT).fill(0);
    pattern.set(Buffer.from(experts, "utf8"));
    const words = this.#memory.bytes(0, PATTERN_AT).fill(0);
    const view = new DataView(words.buffer, words.byteOffset, words.byteLength);
    view.setBigUint64(0, pointer, true);
    view.setBigUint64(OVERRIDES_AT, address + BigInt(PATTERN_AT), true);
    view.setBigUint64(OVERRIDES_AT + 8, library.cpu.bufferType, true);
    return { devices: address, overrides: address + BigInt(OVERRIDES_AT) };
  }
}

/** Where the lists begin, in bytes. */
const OVERRIDES_AT = 16;
const PATTERN_AT = 64;
/** Room for the numbers of some 900 layers. */
const LISTS_BYTES = 4096;
