import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { GgmlLibrary, type ThreadPool } from "@fmlab/ggml";
import type koffiModule from "koffi";

type Koffi = typeof koffiModule;
type Foreign = (...args: unknown[]) => unknown;

/** How an oracle is opened; flash attention is on unless said otherwise. */
export interface LlamaOptions {
  threads: number;
  contextLength?: number;
  threadPool?: ThreadPool;
  flashAttention?: boolean;
  /**
   * False keeps llama.cpp from rearranging weights as it loads them. Products of rearranged Q4_0,
   * Q4_K, Q2_K and IQ4_NL matrices are rounded otherwise. Default true, as llama.cpp's.
   */
  repack?: boolean;
}

/**
 * llama.cpp itself (libllama of the package whose ggml the engine uses), driven over koffi: the
 * oracle of the engine's tests and its opponent in benchmarks. Test code: arguments are not
 * checked.
 */
export class LlamaCpp {
  readonly vocabularySize: number;
  readonly #api: ReturnType<typeof bind>;
  readonly #model: bigint;
  readonly #context: bigint;
  readonly #tokens = new Int32Array(4096);
  #logitsAddress = 0n;
  #logits = new Float32Array(0);
  #views: ArrayBuffer[] = [];
  readonly #koffi: Koffi;

  constructor(modelPath: string, vocabularySize: number, options: LlamaOptions) {
    this.#koffi = createRequire(import.meta.url)("koffi") as Koffi;
    this.vocabularySize = vocabularySize;
    const api = bind(this.#koffi);
    this.#api = api;
    const modelParams = api.modelDefaults() as Record<string, unknown>;
    if (modelParams.use_mmap !== true) throw new Error("llama_model_params has another layout");
    modelParams.use_extra_bufts = options.repack !== false;
    const model = api.load(modelPath, modelParams) as bigint | null;
    if (!model) throw new Error(`llama.cpp cannot load ${modelPath}`);
    this.#model = model;
    const params = api.contextDefaults() as Record<string, unknown>;
    params.n_ctx = options.contextLength ?? 512;
    params.n_batch = 512;
    params.n_ubatch = 512;
    params.n_threads = options.threads;
    params.n_threads_batch = options.threads;
    params.flash_attn_type = options.flashAttention === false ? 0 : 1;
    const context = api.create(model, params) as bigint | null;
    if (!context) throw new Error("llama.cpp cannot make a context");
    this.#context = context;
    const pool = options.threadPool?.pointer;
    if (pool) api.attach(context, pool, pool);
  }

  /** Evaluates tokens as one batch after those in the context; the last one's logits. */
  evaluate(tokens: ArrayLike<number>): Float32Array {
    this.#tokens.set(Array.from(tokens));
    return this.#decode(tokens.length);
  }

  /** Evaluates one token without allocating. */
  evaluateOne(token: number): Float32Array {
    this.#tokens[0] = token;
    return this.#decode(1);
  }

  /** Forgets the context. */
  reset(): void {
    this.#api.clear(this.#api.memory(this.#context), true);
  }

  close(): void {
    for (const view of this.#views) structuredClone(view, { transfer: [view] });
    this.#api.freeContext(this.#context);
    this.#api.freeModel(this.#model);
  }

  #decode(count: number): Float32Array {
    const api = this.#api;
    const status = api.decode(this.#context, api.batch(this.#tokens, count));
    if (status !== 0) throw new Error(`llama_decode failed with ${status}`);
    const address = api.logits(this.#context, -1) as bigint;
    // A view costs memory for good, and the logits nearly always lie at one place.
    if (address !== this.#logitsAddress) {
      const view = this.#koffi.view(address, this.vocabularySize * 4);
      this.#views.push(view);
      this.#logits = new Float32Array(view);
      this.#logitsAddress = address;
    }
    return this.#logits;
  }
}

/** The struct definitions of llama.h at b7347. */
function defineStructs(koffi: Koffi) {
  const modelParams = koffi.struct({
    devices: "void*",
    tensor_buft_overrides: "void*",
    n_gpu_layers: "int",
    split_mode: "int",
    main_gpu: "int",
    tensor_split: "void*",
    progress_callback: "void*",
    progress_callback_user_data: "void*",
    kv_overrides: "void*",
    vocab_only: "bool",
    use_mmap: "bool",
    use_mlock: "bool",
    check_tensors: "bool",
    use_extra_bufts: "bool",
    no_host: "bool",
  });
  const contextParams = koffi.struct({
    n_ctx: "uint32",
    n_batch: "uint32",
    n_ubatch: "uint32",
    n_seq_max: "uint32",
    n_threads: "int",
    n_threads_batch: "int",
    rope_scaling_type: "int",
    pooling_type: "int",
    attention_type: "int",
    flash_attn_type: "int",
    rope_freq_base: "float",
    rope_freq_scale: "float",
    yarn_ext_factor: "float",
    yarn_attn_factor: "float",
    yarn_beta_fast: "float",
    yarn_beta_slow: "float",
    yarn_orig_ctx: "uint32",
    defrag_thold: "float",
    cb_eval: "void*",
    cb_eval_user_data: "void*",
    type_k: "int",
    type_v: "int",
    abort_callback: "void*",
    abort_callback_data: "void*",
    embeddings: "bool",
    offload_kqv: "bool",
    no_perf: "bool",
    op_offload: "bool",
    swa_full: "bool",
    kv_unified: "bool",
  });
  const batch = koffi.struct({
    n_tokens: "int",
    token: "void*",
    embd: "void*",
    pos: "void*",
    n_seq_id: "void*",
    seq_id: "void*",
    logits: "void*",
  });
  return { modelParams, contextParams, batch };
}

/** The functions of libllama that are used here. */
function bind(koffi: Koffi) {
  const { directory } = GgmlLibrary.load();
  const file = readdirSync(directory).find((name) => /^libllama(\.b\d+)?\.so$/.test(name));
  if (!file) throw new Error(`no libllama in ${directory}`);
  const library = koffi.load(path.join(directory, file));
  const { modelParams, contextParams, batch } = defineStructs(koffi);
  const find = (name: string, result: unknown, ...args: unknown[]) =>
    library.func(name, result as string, args as string[]) as Foreign;
  const silence = find("llama_log_set", "void", "void*", "void*");
  // A C function whose first argument is an int serves as a sink for log messages.
  silence(
    koffi.address(
      koffi.load(path.join(directory, "libggml-base.so")).symbol("ggml_status_to_string", "void*"),
    ),
    null,
  );
  return {
    modelDefaults: find("llama_model_default_params", modelParams),
    contextDefaults: find("llama_context_default_params", contextParams),
    load: find("llama_model_load_from_file", "void*", "str", modelParams),
    create: find("llama_init_from_model", "void*", "void*", contextParams),
    attach: find("llama_attach_threadpool", "void", "void*", "void*", "void*"),
    batch: find("llama_batch_get_one", batch, "void*", "int"),
    decode: find("llama_decode", "int", "void*", batch),
    logits: find("llama_get_logits_ith", "void*", "void*", "int"),
    memory: find("llama_get_memory", "void*", "void*"),
    clear: find("llama_memory_clear", "void", "void*", "bool"),
    freeContext: find("llama_free", "void", "void*"),
    freeModel: find("llama_model_free", "void", "void*"),
  };
}
