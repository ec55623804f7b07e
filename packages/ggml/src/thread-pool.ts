import { type Backend, THREADS_MAX } from "./backend.ts";
import { GgmlError, requireArgument, requireInteger } from "./errors.ts";
import type { GgmlLibrary } from "./library.ts";
import type { ForeignFunction, Pointer } from "./native.ts";

// struct ggml_threadpool_params: bool cpumask[512], int n_threads, int prio, uint32 poll, ...
const THREADS_OFFSET = 512;
const POLL_OFFSET = 520;
const PARAMS_BYTES = 1024;

/** How a pool waits for work. */
export interface ThreadPoolOptions {
  /** Threads including the one that computes, 1..512. */
  readonly threads: number;
  /**
   * How eagerly idle threads spin before they sleep, 0 (sleep at once) to 100; ggml's own default
   * is 50. Spinning threads take processor time from everything else on the machine.
   */
  readonly pollLevel?: number;
}

/**
 * Compute threads that live as long as the pool. Without one, ggml starts threads for every graph,
 * which makes two threads slower than one on small graphs. Make one per process, attach it with
 * {@link Backend.useThreadPool}.
 */
export class ThreadPool {
  readonly threads: number;
  /** Backends that compute with this pool now. */
  readonly users = new Set<Backend>();
  #pointer: Pointer | undefined;
  readonly #free: ForeignFunction;

  constructor(library: GgmlLibrary, options: ThreadPoolOptions) {
    requireInteger("ThreadPool", "threads", options.threads, 1, THREADS_MAX);
    const pollLevel = options.pollLevel ?? 50;
    requireInteger("ThreadPool", "pollLevel", pollLevel, 0, 100);
    this.threads = options.threads;
    const { native, foreign } = library;
    const registry = native.ggml_backend_dev_backend_reg(library.cpu.pointer);
    const find = (name: string, signature: string) => {
      const address = native.ggml_backend_reg_get_proc_address(registry, name);
      requireArgument(address !== null, "ThreadPool", () => `this ggml has no ${name}`);
      return foreign.functionAt(address, signature);
    };
    const create = find("ggml_threadpool_new", "void* (void*)");
    this.#free = find("ggml_threadpool_free", "void (void*)");

    const params = Buffer.alloc(PARAMS_BYTES);
    native.ggml_threadpool_params_init(params, options.threads);
    requireArgument(
      params.readInt32LE(THREADS_OFFSET) === options.threads && params.readInt32LE(POLL_OFFSET) > 0,
      "ThreadPool",
      () => "struct ggml_threadpool_params has another layout in this ggml",
    );
    params.writeUInt32LE(pollLevel, POLL_OFFSET);
    const pointer = create(params) as Pointer | null;
    if (!pointer) {
      throw new GgmlError(`a pool of ${options.threads} threads could not be started`, {
        code: "ALLOCATION_FAILED",
        what: "thread pool",
        sizeBytes: 0,
      });
    }
    this.#pointer = pointer;
  }

  /** The C object. @throws GgmlError `CLOSED` */
  get pointer(): Pointer {
    if (this.#pointer === undefined) {
      throw new GgmlError("this thread pool is closed", { code: "CLOSED", what: "thread pool" });
    }
    return this.#pointer;
  }

  /** Ends the threads. Backends that used the pool go on with one thread. */
  close(): void {
    if (this.#pointer === undefined) return;
    for (const backend of [...this.users]) backend.useThreadPool(null);
    this.#free(this.#pointer);
    this.#pointer = undefined;
  }
}
