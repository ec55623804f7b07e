import { CncError } from "../errors.ts";
import type { Candidates } from "../scheduling/scheduler.ts";
import { type Admission, selects } from "./admission.ts";
import type { ClusterView } from "./cluster-view.ts";

/**
 * The nodes each function may run on, made once and again when a node fails or comes back. What
 * the rules forbid never reaches a scheduler.
 */
export class CandidateTable {
  readonly #view: ClusterView;
  /** By function: nodes that would do while they are up. */
  readonly #allowed: Int32Array[];
  readonly #current: (Candidates | undefined)[];

  /**
   * @throws CncError `NO_NODE_FITS` for a function in use that no node can ever run
   */
  constructor(view: ClusterView, admission: Admission, usedFunctions: Iterable<number>) {
    this.#view = view;
    this.#current = new Array(view.functionCount);
    this.#allowed = new Array(view.functionCount);
    for (const functionIndex of usedFunctions) {
      this.#allowed[functionIndex] = this.#findAllowed(functionIndex, admission);
    }
  }

  /** Candidates among the nodes that are up; possibly none. */
  of(functionIndex: number): Candidates {
    const known = this.#current[functionIndex];
    if (known !== undefined) return known;
    const allowed = this.#allowed[functionIndex] as Int32Array;
    const nodes = allowed.filter((node) => this.#view.up[node] !== 0);
    const mask = new Uint8Array(this.#view.nodeCount);
    for (const node of nodes) mask[node] = 1;
    const candidates = { mask, nodes };
    this.#current[functionIndex] = candidates;
    return candidates;
  }

  /** A node failed or came back. */
  invalidate(): void {
    this.#current.fill(undefined);
  }

  #findAllowed(functionIndex: number, admission: Admission): Int32Array {
    const spec = this.#view.fn(functionIndex);
    const fitting = this.#view.nodes.flatMap((node, i) =>
      node.cores >= spec.cores &&
      node.memoryMb >= spec.memoryMb &&
      node.accelerators >= spec.accelerators &&
      selects(spec.nodeSelector, node.labels)
        ? [i]
        : [],
    );
    const allowed = fitting.filter((node) => admission.allows(functionIndex, node));
    if (allowed.length > 0) return Int32Array.from(allowed);
    const problem =
      fitting.length > 0
        ? `the policies forbid all ${fitting.length} nodes that could run it`
        : `none of ${this.#view.nodeCount} nodes has ${spec.cores} cores, ${spec.memoryMb} MB, ` +
          `${spec.accelerators} accelerators and the labels of its selector`;
    throw new CncError(`function ${spec.name} can run nowhere: ${problem}`, {
      code: "NO_NODE_FITS",
      functionName: spec.name,
      problem,
    });
  }
}
