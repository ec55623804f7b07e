import { readdirSync } from "node:fs";
import path from "node:path";
import type koffiModule from "koffi";

type Koffi = typeof koffiModule;
type Foreign = (...args: unknown[]) => unknown;

/** Functions of libllama, under shorter names. */
export type LlamaFunctions = ReturnType<typeof bindLlama>;

const bound = new Map<string, ReturnType<typeof bindAll>>();

/**
 * Binds libllama that lies beside ggml, once a process.
 * @throws Error when there is none; a bundle needs `--with-llama`
 */
export function bindLlama(koffi: Koffi, directory: string) {
  const found = bound.get(directory) ?? bindAll(koffi, directory);
  bound.set(directory, found);
  return found;
}

function bindAll(koffi: Koffi, directory: string) {
  const file = readdirSync(directory).find((name) => LIBLLAMA.test(name));
  if (!file) {
    throw new Error(`there is no libllama in ${directory}; make the bundle with --with-llama`);
  }
  const library = koffi.load(path.join(directory, file));
  const { batch, contextParams, modelParams } = defineStructs(koffi);
  const find = (name: string, result: unknown, ...args: unknown[]) =>
    library.func(name, result as string, args as string[]) as Foreign;
  if (process.env.GGML_LOG !== "1") silence(koffi, directory, find);
  return {
    modelDefaults: find("llama_model_default_params", modelParams),
    contextDefaults: find("llama_context_default_params", contextParams),
    load: find("llama_model_load_from_file", "void*", "str", modelParams),
    create: find("llama_init_from_model", "void*", "void*", contextParams),
    batch: find("llama_batch_get_one", batch, "void*", "int"),
    decode: find("llama_decode", "int", "void*", batch),
    logits: find("llama_get_logits_ith", "void*", "void*", "int"),
    memory: find("llama_get_memory", "void*", "void*"),
    clear: find("llama_memory_clear", "void", "void*", "bool"),
    freeContext: find("llama_free", "void", "void*"),
    freeModel: find("llama_model_free", "void", "void*"),
  };
}

/** `libllama.so`, or with the back end and the build in its name. */
const LIBLLAMA = /^libllama(\.(cuda|vulkan))?(\.b\d+)?\.so$/;

// A C function whose first argument is an int serves as a sink for log messages.
function silence(
  koffi: Koffi,
  directory: string,
  find: (name: string, result: unknown, ...args: unknown[]) => Foreign,
): void {
  const base = koffi.load(path.join(directory, "libggml-base.so"));
  const sink = koffi.address(base.symbol("ggml_status_to_string", "void*"));
  find("llama_log_set", "void", "void*", "void*")(sink, null);
}

/** The struct definitions of llama.h at b7347. */
function defineStructs(koffi: Koffi) {
  const fields = (type: string, names: string) =>
    Object.fromEntries(names.split(" ").map((name) => [name, type]));
  const modelParams = koffi.struct({
    ...fields("void*", "devices tensor_buft_overrides"),
    ...fields("int", "n_gpu_layers split_mode main_gpu"),
    ...fields("void*", "tensor_split progress_callback progress_callback_user_data kv_overrides"),
    ...fields("bool", "vocab_only use_mmap use_mlock check_tensors use_extra_bufts no_host"),
  });
  const contextParams = koffi.struct({
    ...fields("uint32", "n_ctx n_batch n_ubatch n_seq_max"),
    ...fields("int", "n_threads n_threads_batch rope_scaling_type pooling_type attention_type"),
    ...fields("int", "flash_attn_type"),
    ...fields("float", "rope_freq_base rope_freq_scale yarn_ext_factor yarn_attn_factor"),
    ...fields("float", "yarn_beta_fast yarn_beta_slow"),
    ...fields("uint32", "yarn_orig_ctx"),
    ...fields("float", "defrag_thold"),
    ...fields("void*", "cb_eval cb_eval_user_data"),
    ...fields("int", "type_k type_v"),
    ...fields("void*", "abort_callback abort_callback_data"),
    ...fields("bool", "embeddings offload_kqv no_perf op_offload swa_full kv_unified"),
  });
  const batch = koffi.struct({
    n_tokens: "int",
    ...fields("void*", "token embd pos n_seq_id seq_id logits"),
  });
  return { modelParams, contextParams, batch };
}
