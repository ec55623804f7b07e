import { Arena, type Device, type GgufTensor, getTensor, type Tensor } from "@fmlab/ggml";
import { badModel } from "../model/description.ts";
import type { HyperParameters } from "./hyper-parameters.ts";
import { EXPERT_PARTS, type ExpertPart, type ModelFile, type SlotPool } from "./interfaces.ts";
import type { ExpertTensors } from "./layer-graph.ts";

/**
 * The pool in native memory: 3-D tensors with one matrix per slot. Gate and up are multiplied with
 * the same input, so where their types agree they lie in one tensor, for each slot the gate above
 * the up: one product instead of two, with the same bits.
 */
export class NativeSlotPool implements SlotPool {
  readonly slotCount: number;
  readonly expertBytes: number;
  readonly parts: readonly { readonly name: ExpertPart; readonly sizeBytes: number }[];
  readonly tensors: ExpertTensors;
  readonly #arena: Arena;
  readonly #views: Record<ExpertPart, readonly Uint8Array[]>;

  /**
   * Takes memory for `slotCount` experts of the types and shapes in `file`.
   * @throws MoeError `BAD_MODEL` when experts differ in type between layers
   * @throws GgmlError `ALLOCATION_FAILED`
   */
  constructor(file: ModelFile, model: HyperParameters, device: Device, slotCount: number) {
    this.slotCount = slotCount;
    const sources = {
      gate: expertTensor(file, model, "gate"),
      up: expertTensor(file, model, "up"),
      down: expertTensor(file, model, "down"),
    };
    this.parts = EXPERT_PARTS.map((name) => ({
      name,
      sizeBytes: sources[name].sizeBytes / model.expertCount,
    }));
    this.expertBytes = this.parts.reduce((sum, part) => sum + part.sizeBytes, 0);
    this.#arena = new Arena(device.library, { tensorCountMax: EXPERT_PARTS.length });
    try {
      this.tensors = declareTensors(this.#arena, sources, slotCount);
      this.#arena.allocate(device);
      this.#views = viewsOf(this.tensors, slotCount);
    } catch (error) {
      this.#arena.close();
      throw error;
    }
  }

  view(slot: number, part: ExpertPart): Uint8Array {
    const view = this.#views[part][slot];
    if (view === undefined) {
      throw new RangeError(`the pool has slots 0 to ${this.slotCount - 1}, not ${slot}`);
    }
    return view;
  }

  /** Frees the memory; every view becomes empty. */
  close(): void {
    this.#arena.close();
  }
}

function declareTensors(
  arena: Arena,
  sources: Record<ExpertPart, GgufTensor>,
  slotCount: number,
): ExpertTensors {
  const make = (name: string, { type, shape }: GgufTensor, stacked = 1) =>
    arena.tensor(type, [shape[0] ?? 1, (shape[1] ?? 1) * stacked, slotCount], `pool.${name}`);
  const { gate, up, down } = sources;
  return {
    gateUp:
      gate.type === up.type
        ? make("gateUp", gate, 2)
        : { gate: make("gate", gate), up: make("up", up) },
    down: make("down", down),
  };
}

function viewsOf(tensors: ExpertTensors, slotCount: number): Record<ExpertPart, Uint8Array[]> {
  // Part `index` of `count` parts of equal size that share each slot of a tensor.
  const split = (tensor: Tensor, index = 0, count = 1) => {
    const whole = tensor.bytes();
    // What the memory held before must not look like an expert.
    if (index === 0) whole.fill(0);
    const size = whole.length / slotCount / count;
    return Array.from({ length: slotCount }, (_, slot) => {
      const first = (slot * count + index) * size;
      return whole.subarray(first, first + size);
    });
  };
  const { gateUp, down } = tensors;
  const isStacked = !("gate" in gateUp);
  return {
    gate: isStacked ? split(gateUp, 0, 2) : split(gateUp.gate),
    up: isStacked ? split(gateUp, 1, 2) : split(gateUp.up),
    down: split(down),
  };
}

function expertTensor(file: ModelFile, model: HyperParameters, part: ExpertPart): GgufTensor {
  const { embeddingLength: width, expertFeedForwardLength: inner, expertCount } = model;
  const expected = part === "down" ? [inner, width, expertCount] : [width, inner, expertCount];
  let first: GgufTensor | undefined;
  for (let layer = 0; layer < model.layerCount; layer++) {
    const tensor = getTensor(file, `blk.${layer}.ffn_${part}_exps.weight`);
    if (tensor.shape.join() !== expected.join()) {
      throw badModel(file, `${tensor.name} has shape [${tensor.shape}], expected [${expected}]`);
    }
    first ??= tensor;
    if (tensor.type !== first.type) {
      throw badModel(file, `${tensor.name} is ${tensor.typeName}, ${first.name} ${first.typeName}`);
    }
  }
  if (!first) throw badModel(file, "it has no layers");
  return first;
}
