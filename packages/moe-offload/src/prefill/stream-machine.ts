import { GgmlLibrary, type GgufFile, ThreadPool } from "@fmlab/ggml";
import { ContextMemory } from "../engine/context-memory.ts";
import { DeviceContext, visibleStretch } from "../engine/device/device-context.ts";
import type { DeviceName } from "../engine/device/device-names.ts";
import { findDevice } from "../engine/device/find-device.ts";
import { requireOption } from "../engine/errors.ts";
import { readHyperParameters } from "../engine/hyper-parameters.ts";
import { NativeSlotPool } from "../engine/slot-pool.ts";
import { tellingVram } from "../engine/telling-vram.ts";
import { loadWeights } from "../engine/weights.ts";
import { MoeError } from "../errors.ts";
import type { ModelDescription } from "../model/description.ts";
import { type ExpertLayout, expertLayout, shareSlots } from "../model/expert-layout.ts";
import type { BatchMachine, SequenceContext } from "./batch-machine.ts";

/** How a machine for whole batches is opened. */
export interface StreamMachineOptions {
  /** Experts that fit in memory at once, one for each class at least: together, or by class. */
  readonly slotsOf: (layout: ExpertLayout) => number | readonly number[];
  /** Where experts come from, given where they lie in the model; default: from there. */
  readonly layoutOf?: (own: ExpertLayout, model: ModelDescription) => ExpertLayout;
  /** Where weights, context and slots lie and are computed on; default: the CPU. */
  readonly device?: DeviceName | undefined;
  /** Compute threads of the CPU, 1..64. */
  readonly threads: number;
  /** Tokens that the context of one sequence holds. */
  readonly contextLength: number;
  /** Tokens of one sequence that are evaluated together at most. */
  readonly batchTokens: number;
}

/** A model's weights, its slots, and a context for one sequence. */
export interface StreamMachine {
  readonly machine: BatchMachine;
  readonly layout: ExpertLayout;
  close(): void;
}

/** Slots that batches need at least: one for each class of experts. */
export function streamSlotsMin(layout: ExpertLayout): number {
  return layout.classes.length;
}

/**
 * Loads the dense weights of a model and takes memory for its experts. Loads no expert.
 *
 * @throws EngineError `BAD_OPTION`; MoeError `BUDGET_TOO_SMALL` for less than one slot a class;
 *         MoeError, GgufError for a file that is no usable model; GgmlError for a lack of memory,
 *         OutOfVramError of a card's
 */
export function openStreamMachine(file: GgufFile, options: StreamMachineOptions): StreamMachine {
  const model = readHyperParameters(file);
  const own = expertLayout(file, model);
  const layout = options.layoutOf?.(own, model) ?? own;
  requireOption("threads", options.threads, 1, 64);
  requireOption("contextLength", options.contextLength, 1, model.contextLength);
  const owned: { close(): void }[] = [];
  const keep = <T extends { close(): void }>(one: T): T => {
    owned.push(one);
    return one;
  };
  const close = () => {
    for (let last = owned.pop(); last; last = owned.pop()) last.close();
  };
  try {
    const device = findDevice(GgmlLibrary.load(), options.device ?? "cpu");
    const backend = keep(device.open());
    if (device.isHost && options.threads > 1) {
      const pool = keep(new ThreadPool(backend.device.library, { threads: options.threads }));
      backend.useThreadPool(pool);
    }
    const weights = loadWeights(file, model, device);
    keep(weights);
    const slots = options.slotsOf(layout);
    const slotCounts = typeof slots === "number" ? slotsByClass(layout, slots) : slots;
    const { batchTokens, contextLength } = options;
    const tell = { device, model, layout, slotCounts, contextLength };
    const machine = tellingVram(tell, (): BatchMachine => {
      const pool = keep(new NativeSlotPool(layout, device, slotCounts));
      const parts = { device, backend, model, weights, pool };
      if (device.isHost) {
        const context = keep(new ContextMemory(model, device, contextLength, batchTokens));
        return { ...parts, context };
      }
      const { embedding } = weights;
      const context: SequenceContext = keep(
        new DeviceContext(model, device, backend, embedding, contextLength, batchTokens),
      );
      const visibleOf = (seen: number) => Math.min(visibleStretch(seen), context.contextLength);
      return { ...parts, context, visibleOf };
    });
    return { machine, layout, close };
  } catch (error) {
    close();
    throw error;
  }
}

/**
 * Shares slots out to the classes of a model, at least one to each.
 *
 * @param memory  what the slots are bought from, and its part that is spent otherwise, for messages
 * @throws MoeError `BUDGET_TOO_SMALL`
 */
export function slotsByClass(
  layout: ExpertLayout,
  slotCount: number,
  memory = { budgetBytes: slotCount * layout.expertBytes, reservedBytes: 0 },
): number[] {
  const { classes, expertCount, moeLayers } = layout;
  const needed = streamSlotsMin(layout);
  if (slotCount < needed) {
    const { budgetBytes, reservedBytes } = memory;
    const neededBytes = classes.reduce((sum, one) => sum + one.expertBytes, reservedBytes);
    throw new MoeError(
      `the expert memory holds ${slotCount} experts; this model has ${needed} kinds of experts ` +
        `and needs a slot for each. Set the budget to ${neededBytes} bytes or more.`,
      {
        code: "BUDGET_TOO_SMALL",
        policy: "waves",
        budgetBytes,
        neededBytes,
      },
    );
  }
  const most = Math.min(slotCount, moeLayers.length * expertCount);
  const shares = shareSlots(layout, most);
  if (shares.every((share) => share >= 1)) return shares;
  // Hardly a slot for each class: one each, the rest to the first.
  return classes.map((_, index) => (index === 0 ? most - (classes.length - 1) : 1));
}
