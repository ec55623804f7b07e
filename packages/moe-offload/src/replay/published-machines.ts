import type { MachineName, Sourced } from "../tiers/machines.ts";
import { linkOptions, MACHINES } from "../tiers/machines.ts";
import {
  expertBytes,
  MODEL_SHAPES,
  type ModelShapeName,
  type StorageType,
} from "../traces/model-shapes.ts";
import { type ComputeTimes, uniformTimes } from "./compute-times.ts";

/** A model on a machine as a paper measured it. */
export interface PublishedCell {
  readonly paper: string;
  readonly machine: MachineName;
  readonly model: ModelShapeName;
  /** How the paper stored routed experts that it moved. */
  readonly storage: StorageType;
  /**
   * Time of a decoder layer at the paper's best speed. It holds what of the transfers was not
   * hidden, so it is the most that computing can have taken.
   */
  readonly layerMs: Sourced;
  /** Speeds that the paper reports in decode, tokens/s, by strategy. */
  readonly reported: Readonly<Record<string, Sourced>>;
}

const FATE = "Fate, arXiv:2502.12224, second-hand";
const fate = (tokensPerSecond: number): Sourced => ({
  value: tokensPerSecond,
  source: `${FATE}: decode, tokens/s`,
});

function fateCell(
  machine: MachineName,
  model: ModelShapeName,
  reported: Readonly<Record<string, Sourced>> & { readonly fate: Sourced },
): PublishedCell {
  const layers = MODEL_SHAPES[model].routing.layerCount;
  const value = 1e3 / (reported.fate.value * layers);
  const source = `derived: ${reported.fate.value} tokens/s over ${layers} layers (${FATE})`;
  return {
    paper: "Fate",
    machine,
    model,
    storage: "Q4_0",
    layerMs: { value, source },
    reported,
  };
}

/** Cells of the papers' decode tables that can be replayed; every result from them is simulated. */
export const PUBLISHED_CELLS = [
  fateCell("rtx3090-pcie3", "qwen1.5-moe-a2.7b", {
    "load-on-demand": { value: 3.7, source: `${FATE}: about 3.7 tokens/s` },
    fate: fate(14),
  }),
  fateCell("gtx1080ti", "qwen1.5-moe-a2.7b", {
    "load-on-demand": { value: 1.5, source: `${FATE}: about 1.5 tokens/s` },
    fate: fate(3.7),
  }),
  fateCell("rtx3090-pcie3", "deepseek-moe-16b", {
    "moe-infinity": { value: 4.1, source: `${FATE}: its EAP baseline, tokens/s` },
    fate: fate(8.9),
  }),
  fateCell("gtx1080ti", "deepseek-moe-16b", {
    "moe-infinity": { value: 2.2, source: `${FATE}: its EAP baseline, tokens/s` },
    fate: fate(2.6),
  }),
] as const satisfies readonly PublishedCell[];

/** Share of a layer's time before its router has chosen; no paper tells it. */
const ATTENTION_SHARE: Sourced = {
  value: 0.5,
  source: "assumption: half of a decoder layer is attention and router",
};

/** What a replay of a published cell assumes: compute times, expert size, link. */
export function publishedMachine(cell: PublishedCell): {
  times: ComputeTimes;
  expertBytes: number;
  link: ReturnType<typeof linkOptions>;
  assumptions: readonly string[];
} {
  const shape = MODEL_SHAPES[cell.model];
  const machine = MACHINES[cell.machine];
  const link = "fast" in machine ? machine.fast : machine.disk;
  const attentionMs = cell.layerMs.value * ATTENTION_SHARE.value;
  // The shared expert counts as routed ones of its width.
  const widths = shape.routing.expertUsedCount + shape.sharedLength / shape.expertLength;
  const expertMs = (cell.layerMs.value - attentionMs) / widths;
  const times = uniformTimes(shape.routing, {
    attentionMs,
    denseMs: cell.layerMs.value,
    sharedMs: (expertMs * shape.sharedLength) / shape.expertLength,
    expertMs,
    headMs: 0,
  });
  return {
    times,
    expertBytes: expertBytes(shape, cell.storage),
    link: linkOptions(link),
    assumptions: [
      cell.layerMs.source,
      ATTENTION_SHARE.source,
      link.bandwidthMBps.source,
      link.latencyUs.source,
      link.queueDepth.source,
    ],
  };
}
