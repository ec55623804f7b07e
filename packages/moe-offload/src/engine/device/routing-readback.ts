import {
  Arena,
  type Backend,
  StagedTensor,
  StagingMemory,
  TENSOR_TYPE,
  type Tensor,
} from "@fmlab/ggml";
import type { Routing } from "../../offload/routing.ts";
import type { Routed } from "../layer-graph.ts";
import type { DeviceMachine } from "./device-machine.ts";

/** What the CPU needs to compute a layer's experts. */
export interface CpuInputs {
  /** Input of the experts, `[width]`. */
  readonly input: Float32Array;
  /** What the outputs of the chosen experts are multiplied with, `[used]`. */
  readonly weights: Float32Array;
}

/**
 * What a router says, side by side in memory of the card, so that one copy brings it here; with it,
 * where the CPU computes experts too, what those are computed of.
 */
export class RoutingReadback {
  readonly routing: Routing;
  /** What the router's layer gives to experts on the CPU; undefined where there are none. */
  readonly cpu: CpuInputs | undefined;
  readonly #arena: Arena;
  readonly #memory: StagingMemory;
  readonly #staged: StagedTensor;

  /**
   * @param arena   of the router's graph, before it takes its memory
   * @param normed  input of the layer's experts, `[width, 1]`, to be read back as well
   */
  constructor(
    machine: DeviceMachine,
    arena: Arena,
    layer: number,
    routed: Routed,
    normed?: Tensor,
  ) {
    const { device, model } = machine;
    const results = [routed.sorted.root, routed.probabilities.root];
    if (normed) results.push(normed.root, routed.weights.root);
    for (const { root } of routed.ahead) if (!results.includes(root)) results.push(root);
    const offsets = new Map<Tensor, number>();
    let sizeBytes = 0;
    for (const result of results) {
      offsets.set(result, sizeBytes);
      const next = sizeBytes + result.sizeBytes;
      sizeBytes = Math.ceil(next / device.alignmentBytes) * device.alignmentBytes;
    }
    this.#arena = new Arena(device.library, { tensorCountMax: 1 });
    try {
      const all = this.#arena.tensor(TENSOR_TYPE.F32, [sizeBytes / 4], `routing.${layer}`);
      this.#arena.allocate(device);
      for (const [result, offset] of offsets) arena.placeWithin(result, all, offset);
      this.#memory = new StagingMemory(device, StagedTensor.sizeBytes(all));
      this.#staged = new StagedTensor(all, this.#memory, 0);
    } catch (error) {
      this.#arena.close();
      throw error;
    }
    const { float32, int32 } = this.#staged.values;
    const firstOf = ({ root, rootOffset }: Tensor) => ((offsets.get(root) ?? 0) + rootOffset) / 4;
    const show = (tensor: Tensor) => {
      const first = firstOf(tensor);
      return float32.subarray(first, first + tensor.elements);
    };
    this.cpu = normed && { input: show(normed), weights: show(routed.weights) };
    const first = firstOf(routed.sorted);
    this.routing = {
      layer,
      token: 0,
      position: 0,
      experts: int32.subarray(first, first + model.expertUsedCount),
      probabilities: show(routed.probabilities),
      ahead: routed.ahead.map(show),
    };
  }

  /** Begins the copy; `routing` holds it when the stream has passed. */
  download(backend: Backend): void {
    this.#staged.download(backend);
  }

  /** Frees the memory; the card must be done with it. */
  close(): void {
    this.#memory.close();
    this.#arena.close();
  }
}
