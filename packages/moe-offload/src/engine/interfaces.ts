import type { GgufFile, Tensor, ThreadPool } from "@fmlab/ggml";
import type { ExpertLayout } from "../model/expert-layout.ts";
import type { Routing, RoutingShape } from "../offload/routing.ts";
import type { DeviceName } from "./device/device-names.ts";

/**
 * What the engine asks of its neighbours: the file it is loaded from, the memory it offers for
 * experts, and whoever keeps that memory filled. Everything here is synchronous, because it runs
 * on the compute thread between two graphs of the same token.
 */

/** The three matrices of one expert, in the order in which they lie in every list of parts. */
export const EXPERT_PARTS = ["gate", "up", "down"] as const;
export type ExpertPart = (typeof EXPERT_PARTS)[number];

/** The file an engine is opened from. The caller closes it, after the engine is opened or later. */
export type ModelFile = GgufFile;

/** Slots of one kind: experts of layers that are alike in types and shapes share them. */
export interface SlotClass {
  readonly index: number;
  /** Number of its first slot; those of the class follow without a gap. */
  readonly firstSlot: number;
  readonly slotCount: number;
  /** Bytes of one expert: the sum of its parts. */
  readonly expertBytes: number;
  readonly parts: readonly { readonly name: ExpertPart; readonly sizeBytes: number }[];
}

/** Where a part of a slot lies. */
export interface SlotPlace {
  readonly tensor: Tensor;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

/**
 * Memory for `slotCount` experts. Slot numbers are global, class by class; an expert may lie in any
 * slot of its layer's class, and the engine computes on it in place.
 */
export interface SlotPool {
  readonly slotCount: number;
  readonly classes: readonly SlotClass[];
  /** Bytes of one expert of the first class. */
  readonly expertBytes: number;
  /** Parts of an expert of the first class. */
  readonly parts: SlotClass["parts"];
  /** @throws RangeError for a layer without experts */
  classOfLayer(layer: number): SlotClass;
  /** @throws RangeError for a slot that is not there */
  classOfSlot(slot: number): SlotClass;
  /**
   * The bytes of one part of one slot in memory of the host. The view is stable until the engine is
   * closed; then it is detached (length 0), so that a late write throws or does nothing instead of
   * touching freed memory.
   * @throws GgmlError `NOT_HOST_MEMORY` on a device with memory of its own
   */
  view(slot: number, part: ExpertPart): Uint8Array;
  /** Writes one part of one slot, wherever it lies. */
  write(slot: number, part: ExpertPart, bytes: Uint8Array): void;
  /** Native address of a part of a slot, for a copying thread of the same process. */
  address(slot: number, part: ExpertPart): bigint;
  /** The tensor that holds a part of a slot, and where in it. */
  place(slot: number, part: ExpertPart): SlotPlace;
  /** Where an expert lies when all are resident. */
  residentSlot(layer: number, expert: number): number;
}

/**
 * The chosen experts of a layer that the CPU computes from host memory while a card computes the
 * others. Valid from `request` to `release`.
 */
export interface CpuShare {
  /** How many; as many entries of the lists are valid. */
  readonly count: number;
  /** Which of the chosen experts, in routing order, `[expertUsedCount]`. */
  readonly indices: Int32Array;
  /** Where their bytes lie: gate, up and down one after the other, `[expertUsedCount]`. */
  readonly addresses: BigInt64Array;
  /** The CPU begins to compute them. */
  begin(): void;
  /** It has their outputs. */
  end(): void;
}

/**
 * Keeps the experts of a model in a pool of slots. Called on the compute thread for each layer of
 * each token: `request` after the router, then `lookAhead`, `isReady` and `waitFor`, then `release`
 * when the layer's experts have been computed.
 */
export interface ExpertSource {
  /**
   * True when every expert lies in the slot `pool.residentSlot` names before the first token and
   * stays there. The engine may then run a whole token, or a whole prompt, as one graph
   * without calling anything here.
   */
  readonly allResident?: boolean;
  /**
   * Compute with the experts that are there while others arrive. The results are the same to the
   * bit: each expert's output has its own row, and rows are summed in routing order.
   */
  readonly readyFirst?: boolean;
  /** What the CPU computes; undefined when it never does. Needs an engine with `cpuExperts`. */
  readonly cpuShare?: CpuShare | undefined;
  /**
   * Says where the experts of one layer are or will be.
   *
   * @param slots  output: the global slot of each chosen expert, in routing order, all different;
   *               -1 for those of the CPU's share
   */
  request(routing: Routing, slots: Int32Array): void;
  /**
   * Called after each `request`: before the engine waits for what is missing, or after it has begun
   * to compute where nothing is. The time to fetch what later layers will need; the arrays of the
   * routing are still those of the request. Calls after the first of a layer do nothing.
   */
  lookAhead?(): void;
  /** True when the slot of the `index`-th chosen expert holds its bytes; until `release`. */
  isReady(index: number): boolean;
  /** Returns when it does. */
  waitFor(index: number): void;
  /** The layer's experts are computed; slots may be filled with others. */
  release(): void;
}

/** Counts the engine derives from the model file; a source needs them to address experts. */
export type MoeShape = RoutingShape;

/** Where the engine is inside a token. */
export const LAYER_PHASES = [
  "attention",
  "request",
  "cpu",
  "experts",
  "wait",
  "head",
  "idle",
] as const;
export type LayerPhase = (typeof LAYER_PHASES)[number];

/**
 * Called when a phase begins; it lasts until the next call. `wait` is time in which nothing can be
 * computed because experts are missing; in `cpu` the CPU computes missed experts beside the card;
 * `idle` ends the token. The hook reads
 * its own clock. While a hook is set the engine decodes with the graphs that are split per layer
 * (their results are the same to the bit). A prompt that is evaluated as one graph reports nothing.
 */
export type LayerHook = (phase: LayerPhase, layer: number) => void;

/**
 * Called once per layer and batch with the experts chosen by the router, row-major
 * `[tokens, expertUsedCount]`, by falling weight. The array is reused: copy what you keep. In a
 * prompt that is evaluated as one graph, the last layer routes the last token only.
 */
export type RoutingHook = (layer: number, experts: Int32Array) => void;

/**
 * Called once per layer of each token that is evaluated by itself, after the token, with all that
 * its router said. Arrays are reused: copy what you keep.
 */
export type TokenRoutingHook = (routing: Routing) => void;

/** How an engine is opened. */
export interface EngineOptions {
  /**
   * Slots for experts: of each class, or of all together, which are then shared out in proportion.
   * Every class needs at least `expertUsedCount`.
   */
  readonly slotCount: number | readonly number[];
  /**
   * Kinds of experts the pool has slots for; default: those of the file. Others may follow the
   * file's own, such as twins in low precision (`joinLayouts`).
   */
  readonly layout?: ExpertLayout;
  /** Next layers, 0..3, whose routers are applied to each layer's gate input; default 0. */
  readonly aheadDepth?: number;
  /** Where weights, context and slots lie and are computed on; default: the CPU. */
  readonly device?: DeviceName;
  /** Compute threads of the CPU, 1..64. */
  readonly threads: number;
  /**
   * On a card: the CPU can compute experts beside it, with so many threads of their own, 1..64. The
   * memory of one expert of each class is taken beside the slots.
   */
  readonly cpuExperts?: { readonly threads: number } | undefined;
  /** Tokens the KV cache holds; default and maximum: the model's own context length. */
  readonly contextLength?: number;
  /** Tokens of a prompt that are evaluated together; default 512. */
  readonly batchTokens?: number;
  /** Compute threads shared with other engines; `threads` must then be its number of threads. */
  readonly threadPool?: ThreadPool;
}
