// Outline: the C functions as JavaScript calls them; their declarations; koffi with the libraries
// opened.
import { createRequire } from "node:module";
import { GgmlError } from "./errors.ts";
import type { LibraryPaths } from "./library-path.ts";

/** An address in this process; koffi hands pointers over as BigInt. */
export type Pointer = bigint;
/** A pointer that may be NULL. */
export type MaybePointer = bigint | null;

/** The C functions this binding calls, under their own names, with JavaScript types. */
export interface Native {
  ggml_version(): string;
  ggml_log_set(callback: Pointer | null, userData: null): void;
  ggml_type_name(type: number): string;
  ggml_blck_size(type: number): number;
  ggml_type_size(type: number): number;
  ggml_get_type_traits(type: number): Pointer;
  ggml_quantize_requires_imatrix(type: number): boolean;
  ggml_quantize_chunk(
    type: number,
    source: Float32Array,
    target: Uint8Array,
    start: number,
    rows: number,
    rowElements: number,
    importance: Float32Array | null,
  ): number;
  ggml_validate_row_data(type: number, data: Uint8Array, sizeBytes: number): boolean;

  ggml_init(params: InitParams): MaybePointer;
  ggml_free(context: Pointer): void;
  ggml_tensor_overhead(): number;
  ggml_graph_overhead_custom(size: number, gradients: boolean): number;
  ggml_new_tensor_4d(
    context: Pointer,
    type: number,
    ne0: number,
    ne1: number,
    ne2: number,
    ne3: number,
  ): Pointer;
  ggml_set_name(tensor: Pointer, name: string): Pointer;
  ggml_set_output(tensor: Pointer): void;

  ggml_new_graph_custom(context: Pointer, size: number, gradients: boolean): Pointer;
  ggml_build_forward_expand(graph: Pointer, tensor: Pointer): void;
  ggml_graph_n_nodes(graph: Pointer): number;

  ggml_backend_load_all_from_path(directory: string): void;
  ggml_backend_dev_count(): number;
  ggml_backend_dev_get(index: number): Pointer;
  ggml_backend_dev_name(device: Pointer): string;
  ggml_backend_dev_description(device: Pointer): string;
  ggml_backend_dev_type(device: Pointer): number;
  ggml_backend_dev_memory(device: Pointer, free: BigUint64Array, total: BigUint64Array): void;
  ggml_backend_dev_init(device: Pointer, params: null): MaybePointer;
  ggml_backend_dev_buffer_type(device: Pointer): Pointer;
  ggml_backend_dev_backend_reg(device: Pointer): Pointer;
  ggml_backend_dev_get_props(device: Pointer, properties: Uint8Array): void;
  ggml_backend_dev_host_buffer_type(device: Pointer): MaybePointer;
  ggml_backend_dev_supports_op(device: Pointer, tensor: Pointer): boolean;
  ggml_backend_event_new(device: Pointer): MaybePointer;
  ggml_backend_event_free(event: Pointer): void;
  ggml_backend_event_record(event: Pointer, backend: Pointer): void;
  ggml_backend_event_wait(backend: Pointer, event: Pointer): void;
  ggml_backend_event_synchronize(event: Pointer): void;
  ggml_backend_reg_get_proc_address(registry: Pointer, name: string): MaybePointer;
  ggml_backend_free(backend: Pointer): void;
  ggml_backend_name(backend: Pointer): string;
  ggml_backend_synchronize(backend: Pointer): void;
  ggml_backend_graph_compute(backend: Pointer, graph: Pointer): number;
  ggml_backend_graph_compute_async(backend: Pointer, graph: Pointer): number;
  ggml_backend_graph_plan_create(backend: Pointer, graph: Pointer): MaybePointer;
  ggml_backend_graph_plan_compute(backend: Pointer, plan: Pointer): number;
  ggml_backend_graph_plan_free(backend: Pointer, plan: Pointer): void;

  ggml_backend_buft_is_host(bufferType: Pointer): boolean;
  ggml_backend_buft_alloc_buffer(bufferType: Pointer, sizeBytes: number): MaybePointer;
  ggml_backend_buft_get_alignment(bufferType: Pointer): number;
  ggml_backend_buft_get_alloc_size(bufferType: Pointer, tensor: Pointer): number;
  ggml_backend_cpu_buffer_from_ptr(address: Pointer, sizeBytes: number): MaybePointer;
  ggml_backend_buffer_get_base(buffer: Pointer): MaybePointer;
  ggml_backend_buffer_get_size(buffer: Pointer): number;
  ggml_backend_buffer_free(buffer: Pointer): void;
  ggml_backend_buffer_clear(buffer: Pointer, value: number): void;
  ggml_backend_buft_name(bufferType: Pointer): string;
  ggml_backend_tensor_alloc(buffer: Pointer, tensor: Pointer, address: Pointer): number;
  ggml_backend_view_init(tensor: Pointer): number;
  ggml_backend_tensor_set(t: Pointer, data: Uint8Array, offset: number, sizeBytes: number): void;
  ggml_backend_tensor_get(t: Pointer, data: Uint8Array, offset: number, sizeBytes: number): void;

  ggml_backend_tensor_set_async(
    backend: Pointer,
    tensor: Pointer,
    data: Pointer | Uint8Array,
    offset: number,
    sizeBytes: number,
  ): void;
  ggml_backend_tensor_get_async(
    backend: Pointer,
    tensor: Pointer,
    data: Pointer,
    offset: number,
    sizeBytes: number,
  ): void;

  ggml_gallocr_new(bufferType: Pointer): MaybePointer;
  ggml_gallocr_alloc_graph(allocator: Pointer, graph: Pointer): boolean;
  ggml_gallocr_get_buffer_size(allocator: Pointer, index: number): number;
  ggml_gallocr_free(allocator: Pointer): void;

  ggml_threadpool_params_init(params: Uint8Array, threads: number): void;

  ggml_view_4d(
    context: Pointer,
    tensor: Pointer,
    ne0: number,
    ne1: number,
    ne2: number,
    ne3: number,
    nb1: number,
    nb2: number,
    nb3: number,
    offset: number,
  ): Pointer;
  ggml_reshape_4d(
    context: Pointer,
    tensor: Pointer,
    ne0: number,
    ne1: number,
    ne2: number,
    ne3: number,
  ): Pointer;
  ggml_permute(c: Pointer, t: Pointer, a0: number, a1: number, a2: number, a3: number): Pointer;
  ggml_cont(context: Pointer, tensor: Pointer): Pointer;
  ggml_cpy(context: Pointer, source: Pointer, target: Pointer): Pointer;
  ggml_add(context: Pointer, a: Pointer, b: Pointer): Pointer;
  ggml_sub(context: Pointer, a: Pointer, b: Pointer): Pointer;
  ggml_mul(context: Pointer, a: Pointer, b: Pointer): Pointer;
  ggml_div(context: Pointer, a: Pointer, b: Pointer): Pointer;
  ggml_scale(context: Pointer, a: Pointer, factor: number): Pointer;
  ggml_clamp(context: Pointer, a: Pointer, low: number, high: number): Pointer;
  ggml_sum_rows(context: Pointer, a: Pointer): Pointer;
  ggml_silu(context: Pointer, a: Pointer): Pointer;
  ggml_sigmoid(context: Pointer, a: Pointer): Pointer;
  ggml_swiglu(context: Pointer, gateAndUp: Pointer): Pointer;
  ggml_swiglu_split(context: Pointer, gate: Pointer, up: Pointer): Pointer;
  ggml_rms_norm(context: Pointer, a: Pointer, epsilon: number): Pointer;
  ggml_soft_max(context: Pointer, a: Pointer): Pointer;
  ggml_soft_max_ext(
    context: Pointer,
    a: Pointer,
    mask: MaybePointer,
    scale: number,
    maxBias: number,
  ): Pointer;
  ggml_argsort(context: Pointer, a: Pointer, order: number): Pointer;
  ggml_mul_mat(context: Pointer, a: Pointer, b: Pointer): Pointer;
  ggml_mul_mat_id(context: Pointer, experts: Pointer, b: Pointer, ids: Pointer): Pointer;
  ggml_get_rows(context: Pointer, table: Pointer, ids: Pointer): Pointer;
  ggml_set_rows(context: Pointer, target: Pointer, rows: Pointer, ids: Pointer): Pointer;
  ggml_rope_ext: RopeFunction;
  ggml_rope_ext_inplace: RopeFunction;
  ggml_flash_attn_ext(
    context: Pointer,
    q: Pointer,
    k: Pointer,
    v: Pointer,
    mask: MaybePointer,
    scale: number,
    maxBias: number,
    logitSoftcap: number,
  ): Pointer;
}

type RopeFunction = (
  context: Pointer,
  a: Pointer,
  positions: Pointer,
  frequencyFactors: MaybePointer,
  dimensions: number,
  mode: number,
  originalContext: number,
  frequencyBase: number,
  frequencyScale: number,
  extFactor: number,
  attentionFactor: number,
  betaFast: number,
  betaSlow: number,
) => Pointer;

/** `struct ggml_init_params`, passed by value. */
export interface InitParams {
  mem_size: number;
  mem_buffer: MaybePointer;
  no_alloc: boolean;
}

/** Functions of the registry library. All others are in ggml-base. */
const REGISTRY_FUNCTIONS = [
  "void ggml_backend_load_all_from_path(str)",
  "size_t ggml_backend_dev_count()",
  "void* ggml_backend_dev_get(size_t)",
];

const ROPE_ARGUMENTS =
  "void*, void*, void*, void*, int, int, int, float, float, float, float, float, float";

const BASE_FUNCTIONS = [
  "str ggml_version()",
  "void ggml_log_set(void*, void*)",
  "str ggml_type_name(int)",
  "int64_t ggml_blck_size(int)",
  "size_t ggml_type_size(int)",
  "void* ggml_get_type_traits(int)",
  "bool ggml_quantize_requires_imatrix(int)",
  "size_t ggml_quantize_chunk(int, void*, void*, int64_t, int64_t, int64_t, void*)",
  "bool ggml_validate_row_data(int, void*, size_t)",
  "void ggml_free(void*)",
  "size_t ggml_tensor_overhead()",
  "size_t ggml_graph_overhead_custom(size_t, bool)",
  "void* ggml_new_tensor_4d(void*, int, int64_t, int64_t, int64_t, int64_t)",
  "void* ggml_set_name(void*, str)",
  "void ggml_set_output(void*)",
  "void* ggml_new_graph_custom(void*, size_t, bool)",
  "void ggml_build_forward_expand(void*, void*)",
  "int ggml_graph_n_nodes(void*)",
  "str ggml_backend_dev_name(void*)",
  "str ggml_backend_dev_description(void*)",
  "int ggml_backend_dev_type(void*)",
  "void ggml_backend_dev_memory(void*, void*, void*)",
  "void* ggml_backend_dev_init(void*, void*)",
  "void* ggml_backend_dev_buffer_type(void*)",
  "void* ggml_backend_dev_backend_reg(void*)",
  "void* ggml_backend_reg_get_proc_address(void*, str)",
  "void ggml_backend_dev_get_props(void*, void*)",
  "void* ggml_backend_dev_host_buffer_type(void*)",
  "bool ggml_backend_dev_supports_op(void*, void*)",
  "void* ggml_backend_event_new(void*)",
  "void ggml_backend_event_free(void*)",
  "void ggml_backend_event_record(void*, void*)",
  "void ggml_backend_event_wait(void*, void*)",
  "void ggml_backend_event_synchronize(void*)",
  "void ggml_backend_free(void*)",
  "str ggml_backend_name(void*)",
  "void ggml_backend_synchronize(void*)",
  "int ggml_backend_graph_compute(void*, void*)",
  "int ggml_backend_graph_compute_async(void*, void*)",
  "void* ggml_backend_graph_plan_create(void*, void*)",
  "int ggml_backend_graph_plan_compute(void*, void*)",
  "void ggml_backend_graph_plan_free(void*, void*)",
  "bool ggml_backend_buft_is_host(void*)",
  "void* ggml_backend_buft_alloc_buffer(void*, size_t)",
  "size_t ggml_backend_buft_get_alignment(void*)",
  "size_t ggml_backend_buft_get_alloc_size(void*, void*)",
  "void* ggml_backend_cpu_buffer_from_ptr(void*, size_t)",
  "void* ggml_backend_buffer_get_base(void*)",
  "size_t ggml_backend_buffer_get_size(void*)",
  "void ggml_backend_buffer_free(void*)",
  "void ggml_backend_buffer_clear(void*, uint8_t)",
  "str ggml_backend_buft_name(void*)",
  "int ggml_backend_tensor_alloc(void*, void*, void*)",
  "int ggml_backend_view_init(void*)",
  "void ggml_backend_tensor_set(void*, void*, size_t, size_t)",
  "void ggml_backend_tensor_get(void*, void*, size_t, size_t)",
  "void ggml_backend_tensor_set_async(void*, void*, void*, size_t, size_t)",
  "void ggml_backend_tensor_get_async(void*, void*, void*, size_t, size_t)",
  "void* ggml_gallocr_new(void*)",
  "bool ggml_gallocr_alloc_graph(void*, void*)",
  "size_t ggml_gallocr_get_buffer_size(void*, int)",
  "void ggml_gallocr_free(void*)",
  "void ggml_threadpool_params_init(void*, int)",
  "void* ggml_view_4d(void*, void*, int64_t, int64_t, int64_t, int64_t, " +
    "size_t, size_t, size_t, size_t)",
  "void* ggml_reshape_4d(void*, void*, int64_t, int64_t, int64_t, int64_t)",
  "void* ggml_permute(void*, void*, int, int, int, int)",
  "void* ggml_cont(void*, void*)",
  "void* ggml_cpy(void*, void*, void*)",
  "void* ggml_add(void*, void*, void*)",
  "void* ggml_sub(void*, void*, void*)",
  "void* ggml_mul(void*, void*, void*)",
  "void* ggml_div(void*, void*, void*)",
  "void* ggml_scale(void*, void*, float)",
  "void* ggml_clamp(void*, void*, float, float)",
  "void* ggml_sum_rows(void*, void*)",
  "void* ggml_silu(void*, void*)",
  "void* ggml_sigmoid(void*, void*)",
  "void* ggml_swiglu(void*, void*)",
  "void* ggml_swiglu_split(void*, void*, void*)",
  "void* ggml_rms_norm(void*, void*, float)",
  "void* ggml_soft_max(void*, void*)",
  "void* ggml_soft_max_ext(void*, void*, void*, float, float)",
  "void* ggml_argsort(void*, void*, int)",
  "void* ggml_mul_mat(void*, void*, void*)",
  "void* ggml_mul_mat_id(void*, void*, void*, void*)",
  "void* ggml_get_rows(void*, void*, void*)",
  "void* ggml_set_rows(void*, void*, void*, void*)",
  `void* ggml_rope_ext(${ROPE_ARGUMENTS})`,
  `void* ggml_rope_ext_inplace(${ROPE_ARGUMENTS})`,
  "void* ggml_flash_attn_ext(void*, void*, void*, void*, void*, float, float, float)",
];

type Koffi = typeof import("koffi");
/** A foreign function as koffi returns it. */
export type ForeignFunction = (...args: unknown[]) => unknown;

/** koffi with the opened libraries: functions by name, functions by address, memory by address. */
export class Foreign {
  readonly functions: Native;
  readonly #koffi: Koffi;
  readonly #base: ReturnType<Koffi["load"]>;
  #madvise: ForeignFunction | undefined;

  constructor(paths: LibraryPaths) {
    this.#koffi = loadKoffi();
    try {
      this.#base = this.#koffi.load(paths.base);
      const registry = this.#koffi.load(paths.registry);
      const table: Record<string, ForeignFunction> = {};
      for (const declaration of BASE_FUNCTIONS) bind(table, this.#base, declaration);
      for (const declaration of REGISTRY_FUNCTIONS) bind(table, registry, declaration);
      const initParams = this.#koffi.struct({
        mem_size: "size_t",
        mem_buffer: "void*",
        no_alloc: "bool",
      });
      table.ggml_init = this.#base.func("ggml_init", "void*", [initParams]);
      this.functions = table as unknown as Native;
    } catch (cause) {
      const problem = cause instanceof Error ? cause.message : String(cause);
      throw new GgmlError(
        `ggml in ${paths.directory} cannot be used: ${problem}. This binding is written for the ` +
          "build in @node-llama-cpp 3.14.5 (llama.cpp b7347); use that or a compatible build",
        { code: "LIBRARY_INCOMPATIBLE", directory: paths.directory, problem },
        { cause },
      );
    }
  }

  /** The function at `address`, with a C signature such as `void (void*, int)`. */
  functionAt(address: Pointer, signature: string): ForeignFunction {
    return this.#koffi.decode(address, this.#koffi.proto(signature)) as ForeignFunction;
  }

  /** The address of a function of ggml-base. */
  addressOfFunction(name: string): Pointer {
    return this.#koffi.address(this.#base.symbol(name, "void*"));
  }

  /** Where the bytes of `memory` lie; they do not move while it is reachable. */
  addressOf(memory: ArrayBuffer): Pointer {
    return this.#koffi.address(memory);
  }

  /**
   * Asks the system to back memory with huge pages, before it is first touched. Only speed depends
   * on it, so that a system without them is no error.
   */
  adviseHugePages(address: Pointer, sizeBytes: number): void {
    this.#madvise ??= loadMadvise(this.#koffi);
    this.#madvise(address, sizeBytes, MADV_HUGEPAGE);
  }

  /** Memory of the process as bytes, without a copy; whoever owns it must outlive them. */
  view(address: Pointer, sizeBytes: number): ArrayBuffer {
    return this.#koffi.view(address, sizeBytes);
  }

  /** One 32-bit number at `address + offset`. */
  int32At(address: Pointer, offset: number): number {
    return this.#koffi.decode(address, offset, "int32_t") as number;
  }

  /** One 64-bit number at `address + offset`. */
  int64At(address: Pointer, offset: number): bigint {
    return BigInt(this.#koffi.decode(address, offset, "int64_t") as number | bigint);
  }
}

function bind(
  table: Record<string, ForeignFunction>,
  library: ReturnType<Koffi["load"]>,
  declaration: string,
): void {
  const name = /(\w+)\(/.exec(declaration)?.[1];
  if (!name) throw new Error(`not a C declaration: ${declaration}`);
  table[name] = library.func(declaration);
}

/** Linux, <asm-generic/mman-common.h>. */
const MADV_HUGEPAGE = 14;

function loadMadvise(koffi: Koffi): ForeignFunction {
  if (process.platform !== "linux") return () => -1;
  try {
    return koffi.load("libc.so.6").func("int madvise(void*, size_t, int)");
  } catch {
    // Another C library than glibc, under another name: nothing is lost but some speed.
    return () => -1;
  }
}

// Loaded on first use: importing this package must work where koffi has no build.
function loadKoffi(): Koffi {
  try {
    return createRequire(import.meta.url)("koffi") as Koffi;
  } catch (cause) {
    throw new GgmlError(
      `koffi, which calls ggml's libraries, does not load on ${process.platform}-${process.arch}; ` +
        "run `npm ci`, or use a platform that koffi has a build for",
      { code: "LIBRARY_NOT_FOUND", searched: ["koffi"] },
      { cause },
    );
  }
}
