import { Arena, type Device, type GgufTensor, getTensor, type Tensor } from "@fmlab/ggml";
import { badModel } from "../model/description.ts";
import type { HyperParameters } from "./hyper-parameters.ts";
import { EXPERT_PARTS, type ExpertPart, type ModelFile, type SlotPool } from "./interfaces.ts";

/** The pool in native memory: one 3-D tensor per matrix, `[columns, rows, slots]`. */
export class NativeSlotPool implements SlotPool {
  readonly slotCount: number;
  readonly expertBytes: number;
  readonly parts: readonly { readonly name: ExpertPart; readonly sizeBytes: number }[];
  readonly tensors: Readonly<Record<ExpertPart, Tensor>>;
  readonly #arena: Arena;
  readonly #views: Record<ExpertPart, readonly Uint8Array[]>;

  /**
   * Takes memory for `slotCount` experts of the types and shapes in `file`.
   * @throws MoeError `BAD_MODEL` when experts differ in type between layers
   * @throws GgmlError `ALLOCATION_FAILED`
   */
  constructor(file: ModelFile, model: HyperParameters, device: Device, slotCount: number) {
    this.slotCount = slotCount;
    this.#arena = new Arena(device.library, { tensorCountMax: EXPERT_PARTS.length });
    try {
      const make = (part: ExpertPart) => {
        const source = expertTensor(file, model, part);
        const [columns = 1, rows = 1] = source.shape;
        return this.#arena.tensor(source.type, [columns, rows, slotCount], `pool.${part}`);
      };
      this.tensors = { gate: make("gate"), up: make("up"), down: make("down") };
      this.#arena.allocate(device);
      const split = (part: ExpertPart) => {
        const whole = this.tensors[part].bytes();
        // Unread slots must hold numbers: NaN from stale memory would upset ggml's sort.
        whole.fill(0);
        const size = whole.length / slotCount;
        return Array.from({ length: slotCount }, (_, slot) =>
          whole.subarray(slot * size, (slot + 1) * size),
        );
      };
      this.#views = { gate: split("gate"), up: split("up"), down: split("down") };
    } catch (error) {
      this.#arena.close();
      throw error;
    }
    this.parts = EXPERT_PARTS.map((name) => ({
      name,
      sizeBytes: this.tensors[name].sizeBytes / slotCount,
    }));
    this.expertBytes = this.parts.reduce((sum, part) => sum + part.sizeBytes, 0);
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
