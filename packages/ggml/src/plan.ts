import { type Backend, checkStatus } from "./backend.ts";
import { GgmlError } from "./errors.ts";
import type { Graph } from "./graph.ts";
import type { Pointer } from "./native.ts";

/**
 * A graph with its work memory, ready to be computed again and again. ggml ties a plan to the
 * thread settings of its backend; when those change the plan is made anew by itself.
 */
export class Plan {
  #pointer: Pointer | undefined;
  #configuration = -1;

  constructor(
    readonly backend: Backend,
    readonly graph: Graph,
  ) {
    graph.seal();
    this.#create();
  }

  /**
   * Computes the graph and waits for it.
   * @throws GgmlError `INDEX_OUT_OF_RANGE`, `CLOSED`, `COMPUTE_FAILED`
   */
  compute(): void {
    if (this.#pointer === undefined) {
      throw new GgmlError("this plan is closed", { code: "CLOSED", what: "plan" });
    }
    const { backend } = this;
    this.graph.verify();
    if (this.#configuration !== backend.configuration) this.#create();
    const status = backend.device.library.native.ggml_backend_graph_plan_compute(
      backend.pointer,
      this.#pointer,
    );
    if (status !== 0) checkStatus(status);
  }

  /** Frees the work memory. Closing twice is allowed. */
  close(): void {
    if (this.#pointer === undefined) return;
    const { native } = this.backend.device.library;
    if (!this.backend.isClosed) {
      native.ggml_backend_graph_plan_free(this.backend.pointer, this.#pointer);
    }
    this.#pointer = undefined;
  }

  #create(): void {
    this.close();
    const { backend, graph } = this;
    graph.verify();
    const pointer = backend.device.library.native.ggml_backend_graph_plan_create(
      backend.pointer,
      graph.pointer,
    );
    if (!pointer) {
      throw new GgmlError("ggml could not plan the graph", {
        code: "ALLOCATION_FAILED",
        what: "graph plan",
        sizeBytes: 0,
      });
    }
    this.#pointer = pointer;
    this.#configuration = backend.configuration;
  }
}
