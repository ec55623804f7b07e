import { readdirSync } from "node:fs";
import { join } from "node:path";
import { findLibraries } from "@fmlab/ggml";
import koffi from "koffi";

/** llama.cpp's tokenizer of a model file: the oracle of ours. */
export interface LlamaVocabulary {
  tokenize(text: string, addSpecial: boolean, parseSpecial: boolean): number[];
  /** Bytes of a token. */
  piece(token: number, special: boolean): Uint8Array;
  /** Whether a token ends a generation. */
  isEnd(token: number): boolean;
  /** The tokens of beginning and end of a sequence, -1 for none, and whether they are added. */
  readonly bos: number;
  readonly eos: number;
  readonly addsBos: boolean;
  readonly addsEos: boolean;
  free(): void;
}

/** Loads the vocabulary of a model with libllama of the same package as ggml's libraries. */
export function openLlamaVocabulary(path: string): LlamaVocabulary {
  const llama = native();
  const params = llama.defaults();
  if (params.use_mmap !== true || params.vocab_only !== false) {
    throw new Error("libllama's llama_model_params has another layout than this test knows");
  }
  const model = llama.load(path, { ...params, vocab_only: true });
  if (model === null) throw new Error(`libllama does not load ${path}`);
  const vocabulary = llama.vocabulary(model);
  return {
    tokenize(text, addSpecial, parseSpecial) {
      const bytes = Buffer.from(text);
      const out = new Int32Array(bytes.length + 16);
      const args = [vocabulary, bytes, bytes.length, out, out.length, addSpecial, parseSpecial];
      const count = llama.tokenize(...args);
      if (count < 0) throw new Error(`llama_tokenize gives ${count}`);
      return [...out.subarray(0, count)];
    },
    piece(token, special) {
      const out = new Uint8Array(1024);
      const count = llama.piece(vocabulary, token, out, out.length, 0, special);
      if (count < 0) throw new Error(`llama_token_to_piece gives ${count}`);
      return out.slice(0, count);
    },
    isEnd: (token) => llama.isEnd(vocabulary, token),
    bos: llama.bos(vocabulary),
    eos: llama.eos(vocabulary),
    addsBos: llama.addsBos(vocabulary),
    addsEos: llama.addsEos(vocabulary),
    free: () => llama.free(model),
  };
}

interface Native {
  defaults: () => Record<string, unknown>;
  load: (path: string, params: Record<string, unknown>) => unknown;
  vocabulary: (model: unknown) => unknown;
  tokenize: (...args: unknown[]) => number;
  piece: (...args: unknown[]) => number;
  isEnd: (vocabulary: unknown, token: number) => boolean;
  bos: (vocabulary: unknown) => number;
  eos: (vocabulary: unknown) => number;
  addsBos: (vocabulary: unknown) => boolean;
  addsEos: (vocabulary: unknown) => boolean;
  free: (model: unknown) => void;
}
let loaded: Native | undefined;

function native(): Native {
  loaded ??= loadNative();
  return loaded;
}

function loadNative(): Native {
  const { directory, base, registry } = findLibraries();
  koffi.load(base);
  koffi.load(registry);
  const file = readdirSync(directory).find((name) =>
    /^(lib)?llama\.(b\d+\.)?(so|dylib)$/.test(name),
  );
  if (file === undefined) throw new Error(`no libllama in ${directory}`);
  const library = koffi.load(join(directory, file));
  const pointers = ["devices", "tensor_overrides"];
  const integers = ["n_gpu_layers", "split_mode", "main_gpu"];
  const pointers2 = ["tensor_split", "progress", "progress_data", "kv_overrides"];
  const flags = [
    "vocab_only",
    "use_mmap",
    "use_mlock",
    "check_tensors",
    "use_extra_bufts",
    "no_host",
  ];
  const fields = (names: string[], type: string) => names.map((name) => [name, type]);
  koffi.struct(
    "llama_model_params_of_test",
    Object.fromEntries([
      ...fields(pointers, "void*"),
      ...fields(integers, "int"),
      ...fields(pointers2, "void*"),
      ...fields(flags, "bool"),
    ]),
  );
  const silent = koffi.register(
    () => {},
    koffi.pointer(koffi.proto("void llama_log_of_test(int, str, void*)")),
  );
  library.func("void llama_log_set(void*, void*)")(silent, null);
  return {
    defaults: library.func("llama_model_params_of_test llama_model_default_params()"),
    load: library.func("void* llama_model_load_from_file(str, llama_model_params_of_test)"),
    vocabulary: library.func("void* llama_model_get_vocab(void*)"),
    tokenize: library.func("int llama_tokenize(void*, void*, int, void*, int, bool, bool)"),
    piece: library.func("int llama_token_to_piece(void*, int, void*, int, int, bool)"),
    isEnd: library.func("bool llama_vocab_is_eog(void*, int)"),
    bos: library.func("int llama_vocab_bos(void*)"),
    eos: library.func("int llama_vocab_eos(void*)"),
    addsBos: library.func("bool llama_vocab_get_add_bos(void*)"),
    addsEos: library.func("bool llama_vocab_get_add_eos(void*)"),
    free: library.func("void llama_model_free(void*)"),
  };
}
