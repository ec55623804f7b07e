import type { Device } from "./device.ts";
import { GgmlError, requireArgument, requireInteger } from "./errors.ts";
import type { Graph } from "./graph.ts";
import type { ForeignFunction, Pointer } from "./native.ts";
import { Plan } from "./plan.ts";
import type { ThreadPool } from "./thread-pool.ts";

/** Chosen: more threads than any machine this is meant for has cores. */
export const THREADS_MAX = 512;

/** A device that is open for computing, with its number of threads. */
export class Backend {
  #pointer: Pointer | undefined;
  #threads = 1;
  #pool: ThreadPool | undefined;
  #configuration = 0;
  readonly #setThreads: ForeignFunction | undefined;
  readonly #setThreadPool: ForeignFunction | undefined;

  constructor(
    readonly device: Device,
    pointer: Pointer,
  ) {
    const { native, foreign } = device.library;
    this.#pointer = pointer;
    const registry = native.ggml_backend_dev_backend_reg(device.pointer);
    const find = (name: string, signature: string) => {
      const address = native.ggml_backend_reg_get_proc_address(registry, name);
      return address === null ? undefined : foreign.functionAt(address, signature);
    };
    this.#setThreads = find("ggml_backend_set_n_threads", "void (void*, int)");
    this.#setThreadPool = find("ggml_backend_cpu_set_threadpool", "void (void*, void*)");
    this.#setThreads?.(pointer, 1);
  }

  get isClosed(): boolean {
    return this.#pointer === undefined;
  }

  /** The C object. @throws GgmlError `CLOSED` */
  get pointer(): Pointer {
    if (this.#pointer === undefined) {
      throw new GgmlError("this backend is closed", { code: "CLOSED", what: "backend" });
    }
    return this.#pointer;
  }

  /** Threads that compute one graph. */
  get threads(): number {
    return this.#threads;
  }

  /** Changes whenever threads or pool change: a plan made before is stale. */
  get configuration(): number {
    return this.#configuration;
  }

  /**
   * Sets how many threads compute a graph. Without a pool, threads beyond the first are started
   * and ended for every graph, which costs 26 us a node (measured on 2 cores): use a pool.
   */
  setThreads(threads: number): void {
    requireInteger("Backend.setThreads", "threads", threads, 1, THREADS_MAX);
    requireArgument(
      this.#pool === undefined || threads <= this.#pool.threads,
      "Backend.setThreads",
      () => `${threads} threads do not fit the attached pool of ${this.#pool?.threads}`,
    );
    this.#threads = threads;
    this.#configuration++;
    this.#setThreads?.(this.pointer, threads);
  }

  /** Computes with the threads of `pool` from now on; `null` takes the pool off again. */
  useThreadPool(pool: ThreadPool | null): void {
    requireArgument(
      this.#setThreadPool !== undefined,
      "Backend.useThreadPool",
      () => `${this.device.name} does not compute with threads of this process`,
    );
    this.#setThreadPool(this.pointer, pool?.pointer ?? null);
    this.#pool?.users.delete(this);
    this.#pool = pool ?? undefined;
    pool?.users.add(this);
    this.setThreads(pool?.threads ?? 1);
  }

  /**
   * Computes every node of `graph` and waits for it.
   * @throws GgmlError `NOT_ALLOCATED`, `INDEX_OUT_OF_RANGE`, `CLOSED`, `COMPUTE_FAILED`
   */
  compute(graph: Graph): void {
    graph.verify();
    const { native } = this.device.library;
    checkStatus(native.ggml_backend_graph_compute(this.pointer, graph.pointer));
  }

  /**
   * Begins to compute every node of `graph` after all that was asked of this backend before, and
   * returns at once where the device can. Memory the graph reads must stay as it is meanwhile.
   * @throws GgmlError as `compute`
   */
  begin(graph: Graph): void {
    graph.verify();
    const { native } = this.device.library;
    checkStatus(native.ggml_backend_graph_compute_async(this.pointer, graph.pointer));
  }

  /** Prepares `graph` for being computed many times. Its nodes are fixed from now on. */
  plan(graph: Graph): Plan {
    return new Plan(this, graph);
  }

  /** Waits until everything asked of the device is done. */
  synchronize(): void {
    this.device.library.native.ggml_backend_synchronize(this.pointer);
  }

  /** Frees the backend. Closing twice is allowed; close its plans before. */
  close(): void {
    if (this.#pointer === undefined) return;
    this.#pool?.users.delete(this);
    this.device.library.native.ggml_backend_free(this.#pointer);
    this.#pointer = undefined;
  }
}

/** Throws `COMPUTE_FAILED` for every status of ggml but success. */
export function checkStatus(status: number): void {
  if (status !== 0) {
    throw new GgmlError(
      `ggml could not compute the graph (status ${status}: ` +
        `${status === -2 ? "out of memory" : "failed"}); free memory or use fewer threads`,
      { code: "COMPUTE_FAILED", status },
    );
  }
}
