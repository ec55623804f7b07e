import { Arena, type Device, type DeviceKind, GgmlError, type Tensor } from "@fmlab/ggml";
import type { ExpertClass, ExpertLayout, ExpertMatrix } from "../model/expert-layout.ts";
import { shareSlots } from "../model/expert-layout.ts";
import { requireOption } from "./errors.ts";
import {
  EXPERT_PARTS,
  type ExpertPart,
  type SlotClass,
  type SlotPlace,
  type SlotPool,
} from "./interfaces.ts";
import type { ExpertTensors } from "./layer-graph.ts";
import { requireReached, slotsReached } from "./slot-limits.ts";

/** The memory of one class of experts. */
interface Slab extends SlotClass {
  readonly tensors: ExpertTensors;
  /** Of memory of the host only. */
  readonly views: Record<ExpertPart, readonly Uint8Array[]> | undefined;
  readonly places: Record<ExpertPart, PartPlace>;
}

/** Where one part of the slots of a slab lies. */
interface PartPlace {
  readonly tensor: Tensor;
  /** Bytes from one slot to the next. */
  readonly strideBytes: number;
  readonly firstByte: number;
  readonly sizeBytes: number;
}

/**
 * The pool in native memory. Each class of experts has a slab: 3-D tensors with one matrix per
 * slot. Gate and up are multiplied with the same input, so where their types agree they lie in one
 * tensor, for each slot the gate above the up: one product instead of two, with the same bits. A
 * card reaches half as many slots so: where that is too few, they lie apart.
 *
 * Slot numbers are global: those of the first class come first. Graphs number the slots of a slab
 * from 0: `slot - class.firstSlot`.
 */
export class NativeSlotPool implements SlotPool {
  readonly slotCount: number;
  readonly layout: ExpertLayout;
  readonly #slabs: readonly Slab[];
  readonly #arena: Arena;

  /**
   * Takes memory for the experts of a model.
   * @param slotCounts slots of each class, or of all together, shared out by `shareSlots`
   * @param withNought after the slots of each class follows a matrix of noughts that is no slot: an
   *                   expert whose output is nought, for those that are computed elsewhere
   * @throws EngineError `BAD_OPTION` when a class gets none or more than it has experts
   * @throws GgmlError `ALLOCATION_FAILED`
   */
  constructor(
    layout: ExpertLayout,
    device: Device,
    slotCounts: number | readonly number[],
    withNought = false,
  ) {
    const counts = typeof slotCounts === "number" ? shareSlots(layout, slotCounts) : slotCounts;
    const { classes, expertCount } = layout;
    requireOption("number of slot counts", counts.length, classes.length, classes.length);
    classes.forEach(({ layers }, index) => {
      const most = layers.length * expertCount;
      requireOption(`slots of expert class ${index}`, counts[index] ?? 0, 1, most);
    });
    this.layout = layout;
    this.slotCount = counts.reduce((sum, count) => sum + count, 0);
    const tensorCountMax = classes.length * EXPERT_PARTS.length;
    this.#arena = new Arena(device.library, { tensorCountMax });
    try {
      const more = withNought ? 1 : 0;
      const tensors = classes.map((one, index) =>
        declare(this.#arena, one, (counts[index] ?? 0) + more, device.kind),
      );
      this.#arena.allocate(device);
      let firstSlot = 0;
      this.#slabs = classes.map((one, index) => {
        const slotCount = counts[index] ?? 0;
        const slab = slabOf(one, tensors[index] as ExpertTensors, firstSlot, slotCount);
        firstSlot += slotCount;
        return slab;
      });
    } catch (error) {
      this.#arena.close();
      throw error;
    }
  }

  get classes(): readonly SlotClass[] {
    return this.#slabs;
  }

  get expertBytes(): number {
    return this.#slab(0).expertBytes;
  }

  get parts(): SlotClass["parts"] {
    return this.#slab(0).parts;
  }

  classOfLayer(layer: number): SlotClass {
    return this.#slab(this.layout.classOfLayer(layer).index);
  }

  classOfSlot(slot: number): SlotClass {
    return this.#slabOfSlot(slot);
  }

  view(slot: number, part: ExpertPart): Uint8Array {
    const slab = this.#slabOfSlot(slot);
    const view = slab.views?.[part][slot - slab.firstSlot];
    if (view) return view;
    const tensor = String(slab.places[part].tensor);
    throw new GgmlError(`${tensor} lies on a device; write it instead`, {
      code: "NOT_HOST_MEMORY",
      tensor,
    });
  }

  write(slot: number, part: ExpertPart, bytes: Uint8Array): void {
    const { tensor, offsetBytes, sizeBytes } = this.place(slot, part);
    if (bytes.length !== sizeBytes) {
      throw new RangeError(`${bytes.length} bytes for a ${part} of ${sizeBytes}`);
    }
    tensor.writePart(bytes, offsetBytes);
  }

  place(slot: number, part: ExpertPart): SlotPlace {
    const slab = this.#slabOfSlot(slot);
    const { tensor, strideBytes, firstByte, sizeBytes } = slab.places[part];
    const offsetBytes = (slot - slab.firstSlot) * strideBytes + firstByte;
    return { tensor, offsetBytes, sizeBytes };
  }

  address(slot: number, part: ExpertPart): bigint {
    const slab = this.#slabOfSlot(slot);
    const { tensor, strideBytes, firstByte } = slab.places[part];
    return tensor.memory().address + BigInt((slot - slab.firstSlot) * strideBytes + firstByte);
  }

  residentSlot(layer: number, expert: number): number {
    return this.layout.residentSlot(layer, expert);
  }

  /** The matrices of all slots of a class, numbered from 0. */
  tensorsOf(classIndex: number): ExpertTensors {
    return this.#slab(classIndex).tensors;
  }

  /** Frees the memory; every view becomes empty. */
  close(): void {
    this.#arena.close();
  }

  #slab(index: number): Slab {
    const slab = this.#slabs[index];
    if (slab === undefined) throw new RangeError(`the pool has no class ${index} of experts`);
    return slab;
  }

  #slabOfSlot(slot: number): Slab {
    for (const slab of this.#slabs) {
      const own = slot - slab.firstSlot;
      if (Number.isInteger(own) && own >= 0 && own < slab.slotCount) return slab;
    }
    throw new RangeError(`the pool has slots 0 to ${this.slotCount - 1}, not ${slot}`);
  }
}

function declare(
  arena: Arena,
  one: ExpertClass,
  slotCount: number,
  kind: DeviceKind,
): ExpertTensors {
  const make = ({ name, type, columns, rows }: ExpertMatrix, stacked = 1) =>
    arena.tensor(type, [columns, rows * stacked, slotCount], `pool.${one.index}.${name}`);
  const [gate, up, down] = one.parts;
  if (!gate || !up || !down) throw new Error("an expert has three parts");
  for (const matrix of [gate, up, down]) requireReached(slotCount, matrix, kind);
  const isStacked = gate.type === up.type && slotCount <= slotsReached(gate, 2, kind);
  return {
    gateUp: isStacked ? make(gate, 2) : { gate: make(gate), up: make(up) },
    down: make(down),
  };
}

function slabOf(
  { index, parts, expertBytes }: ExpertClass,
  tensors: ExpertTensors,
  firstSlot: number,
  slotCount: number,
): Slab {
  const { gateUp, down } = tensors;
  const isStacked = !("gate" in gateUp);
  // Part `half` of `count` parts of equal size that share each slot of a tensor.
  const place = (tensor: Tensor, half = 0, count = 1): PartPlace => {
    const sizeBytes = tensor.strides[2] / count;
    return { tensor, strideBytes: tensor.strides[2], firstByte: half * sizeBytes, sizeBytes };
  };
  const places = {
    gate: isStacked ? place(gateUp, 0, 2) : place(gateUp.gate),
    up: isStacked ? place(gateUp, 1, 2) : place(gateUp.up),
    down: place(down),
  };
  const isHost = places.down.tensor.bufferIfPlaced()?.isHost === true;
  const views = isHost
    ? {
        gate: viewsOf(places.gate, slotCount),
        up: viewsOf(places.up, slotCount),
        down: viewsOf(places.down, slotCount),
      }
    : undefined;
  return { index, firstSlot, slotCount, expertBytes, parts, tensors, views, places };
}

function viewsOf(place: PartPlace, slotCount: number): Uint8Array[] {
  const { tensor, strideBytes, firstByte, sizeBytes } = place;
  const whole = tensor.bytes();
  return Array.from({ length: slotCount }, (_, slot) => {
    const first = slot * strideBytes + firstByte;
    const view = whole.subarray(first, first + sizeBytes);
    // What the memory held before must not look like an expert.
    view.fill(0);
    return view;
  });
}
