import {
  Arena,
  type Backend,
  StagedTensor,
  StagingMemory,
  TENSOR_TYPE,
  type Tensor,
} from "@fmlab/ggml";
import { EngineError } from "../errors.ts";
import type { CpuShare } from "../interfaces.ts";
import { CpuExperts } from "./cpu-experts.ts";
import type { DeviceMachine } from "./device-machine.ts";
import type { RoutingReadback } from "./routing-readback.ts";

/** What the CPU adds to one layer. */
interface LayerSum {
  readonly staged: StagedTensor;
  /** The card has other values than the staged ones. */
  isStale: boolean;
  isZero: boolean;
}

/**
 * What the CPU adds to the layers of a token that a card computes: the weighted sum of the experts
 * it has computed, nought where there are none. It is an input of the graph after the layer's
 * experts, so that the same graphs serve every token. Each layer has its own, so that one is not
 * written while the card still reads it.
 */
export class CpuSums {
  readonly #machine: DeviceMachine;
  readonly #experts: CpuExperts;
  readonly #arena: Arena;
  readonly #memory: StagingMemory;
  readonly #byLayer = new Map<number, LayerSum>();

  /**
   * @param threads  that compute, the calling one included
   * @throws GgmlError `ALLOCATION_FAILED`
   */
  constructor(machine: DeviceMachine, threads: number) {
    const { device, model, pool } = machine;
    const { embeddingLength: width, expertUsedCount, moeLayers } = model;
    this.#machine = machine;
    this.#arena = new Arena(device.library, { tensorCountMax: moeLayers.length });
    try {
      const tensors = moeLayers.map((layer) =>
        this.#arena.tensor(TENSOR_TYPE.F32, [width, 1], `cpu.${layer}`),
      );
      this.#arena.allocate(device);
      const each = Math.max(...tensors.map((tensor) => StagedTensor.sizeBytes(tensor)));
      this.#memory = new StagingMemory(device, each * moeLayers.length);
      moeLayers.forEach((layer, rank) => {
        const tensor = tensors[rank];
        if (!tensor) return;
        const staged = new StagedTensor(tensor, this.#memory, rank * each);
        this.#byLayer.set(layer, { staged, isStale: false, isZero: true });
      });
      const { classes } = pool.layout;
      this.#experts = new CpuExperts(device.library, classes, expertUsedCount, threads);
    } catch (error) {
      this.#arena.close();
      throw error;
    }
  }

  /** `[width, 1]` F32: what the CPU adds to a layer. */
  of(layer: number): Tensor {
    return this.#sumOf(layer).staged.tensor;
  }

  /** Computes the CPU's share of a layer, which may be nothing. */
  compute(layer: number, { cpu }: RoutingReadback, share: CpuShare | undefined): void {
    const sum = this.#sumOf(layer);
    const count = share?.count ?? 0;
    if (share && cpu && count > 0) {
      const classIndex = this.#machine.pool.classOfLayer(layer).index;
      const { addresses, indices } = share;
      share.begin();
      this.#experts.compute({ classIndex, count, addresses, input: cpu.input });
      this.#add(sum.staged.values.float32, count, indices, cpu.weights);
      share.end();
    } else if (sum.isZero) return;
    else sum.staged.values.float32.fill(0);
    sum.isZero = count === 0;
    sum.isStale = true;
  }

  /** Begins to bring the sum of a layer to the card, if it has another there. */
  enter(layer: number, backend: Backend): void {
    const sum = this.#sumOf(layer);
    if (!sum.isStale) return;
    sum.staged.upload(backend);
    sum.isStale = false;
  }

  /** Frees the memory; the card must be done with it. */
  close(): void {
    this.#experts.close();
    this.#memory.close();
    this.#arena.close();
  }

  /** @param weights  of all chosen experts, by routing order */
  #add(target: Float32Array, count: number, indices: Int32Array, weights: Float32Array): void {
    const { embeddingLength: width, scales } = this.#machine.model;
    const { rowStride, rows } = this.#experts;
    for (let i = 0; i < count; i++) {
      const weight = scales.residual * (weights[indices[i] ?? 0] ?? 0);
      const first = i * rowStride;
      for (let k = 0; k < width; k++) {
        const before = i === 0 ? 0 : (target[k] ?? 0);
        target[k] = before + weight * (rows[first + k] ?? 0);
      }
    }
  }

  #sumOf(layer: number): LayerSum {
    const sum = this.#byLayer.get(layer);
    if (!sum) throw new Error(`layer ${layer} has no experts`);
    return sum;
  }
}

/** @throws EngineError `BAD_OPTION` when a source leaves experts to a CPU that was not asked for */
export function requireCpu(sums: CpuSums | undefined, share: CpuShare | undefined): void {
  if (sums || !share) return;
  const expected = "set, for a source that leaves experts to the CPU";
  throw new EngineError(`cpuExperts is not set; expected it ${expected}`, {
    code: "BAD_OPTION",
    option: "cpuExperts",
    value: 0,
    expected,
  });
}
