import {
  Arena,
  type Backend,
  StagedTensor,
  StagingMemory,
  TENSOR_TYPE,
  type Tensor,
} from "@fmlab/ggml";
import type { DeviceMachine } from "./device-machine.ts";

/**
 * Where the chosen experts of each layer lie, as inputs of the graphs of one token. Each layer has
 * its own, so that one is not written while the card still reads it.
 */
export class SlotInputs {
  readonly #machine: DeviceMachine;
  readonly #arena: Arena;
  readonly #memory: StagingMemory;
  readonly #byLayer = new Map<number, StagedTensor>();

  /** @throws GgmlError `ALLOCATION_FAILED` */
  constructor(machine: DeviceMachine) {
    const { device, model } = machine;
    const { expertUsedCount: used, moeLayers } = model;
    this.#machine = machine;
    this.#arena = new Arena(device.library, { tensorCountMax: moeLayers.length });
    try {
      const tensors = moeLayers.map((layer) =>
        this.#arena.tensor(TENSOR_TYPE.I32, [used, 1], `slots.${layer}`),
      );
      this.#arena.allocate(device);
      const each = Math.max(0, ...tensors.map((tensor) => StagedTensor.sizeBytes(tensor)));
      this.#memory = new StagingMemory(device, each * moeLayers.length);
      moeLayers.forEach((layer, rank) => {
        const tensor = tensors[rank];
        if (tensor) this.#byLayer.set(layer, new StagedTensor(tensor, this.#memory, rank * each));
      });
    } catch (error) {
      this.#arena.close();
      throw error;
    }
  }

  /** `[used, 1]` I32: slots of a layer's chosen experts, numbered within their class. */
  of(layer: number): Tensor {
    return this.#stagedOf(layer).tensor;
  }

  /**
   * Begins to write the slots of a layer in a stream.
   * @param slots  numbered over all classes; -1 for an expert that is not computed here: it becomes
   *               the matrix of noughts after those of the slots
   */
  enter(layer: number, slots: Int32Array, backend: Backend): void {
    const staged = this.#stagedOf(layer);
    const { firstSlot, slotCount } = this.#machine.pool.classOfLayer(layer);
    const { int32 } = staged.values;
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i] ?? -1;
      int32[i] = slot === -1 ? slotCount : slot - firstSlot;
    }
    staged.upload(backend);
  }

  /** Frees the memory; the card must be done with it. */
  close(): void {
    this.#memory.close();
    this.#arena.close();
  }

  #stagedOf(layer: number): StagedTensor {
    const staged = this.#byLayer.get(layer);
    if (!staged) throw new Error(`layer ${layer} has no experts`);
    return staged;
  }
}
