import type { ComputeTimes } from "../replay/compute-times.ts";
import type { MachineName, Sourced } from "../tiers/machines.ts";
import type { PlannerModel } from "./planner-model.ts";

/** What computes, as far as its memory decides the time of a token. */
export interface ComputeDevice {
  /** How fast weights are read from fast memory, 1 MB = 1,000,000 bytes. */
  readonly memoryMBps: Sourced;
  /** Products of half precision; only batches of many tokens come near it. */
  readonly gigaflops: Sourced;
  /** What starting the kernels of one graph costs. */
  readonly graphMs: Sourced;
}

/** Share of a memory's nominal rate that kernels of one token reach. */
const REACHED: Sourced = { value: 0.6, source: "assumption: kernels of one token reach 60 %" };
const GRAPH_MS: Sourced = { value: 0.05, source: "assumption: some ten kernel starts of 5 us" };

const card = (memoryGBps: number, teraflops: number, name: string): ComputeDevice => ({
  memoryMBps: { value: memoryGBps * 1e3, source: `data sheet of the ${name}` },
  gigaflops: { value: teraflops * 1e3, source: `data sheet of the ${name}, half precision` },
  graphMs: GRAPH_MS,
});

/** The cards of the named machines. */
const CARDS: Partial<Record<MachineName, ComputeDevice>> = {
  "rtx3090-pcie3": card(936, 71, "RTX 3090"),
  "rtx3090-pcie4": card(936, 71, "RTX 3090"),
  gtx1080ti: card(484, 11.3, "GTX 1080 Ti"),
  "gtx1080ti-pcie3": card(484, 11.3, "GTX 1080 Ti"),
  "h800-pcie5": card(2000, 756, "H800 PCIe"),
  "a5000-pcie4": card(768, 111, "RTX A5000"),
  "rtx4090-pcie4": card(1008, 165, "RTX 4090"),
};

/** What computes on a named machine; undefined where the machine is a mere disk. */
export function deviceOf(name: MachineName): ComputeDevice | undefined {
  return CARDS[name];
}

/** A processor that computes as fast as it reads weights. */
export function processor(memoryMBps: number, source: string): ComputeDevice {
  return {
    memoryMBps: { value: memoryMBps, source },
    gigaflops: { value: 100, source: "assumption: a few cores with vector units" },
    graphMs: { value: 0.005, source: "assumption: start of a graph on a processor" },
  };
}

/**
 * Times of a token on a device that does nothing but read each weight once: the least that
 * computing can take, if the share of the memory's rate that kernels reach is right.
 *
 * @see Williams et al. 2009, "Roofline", CACM 52(4)
 */
export function rooflineTimes(
  { dense, expertBytes, kvBytesPerToken, shape }: PlannerModel,
  device: ComputeDevice,
): { times: ComputeTimes; assumptions: readonly string[] } {
  const bytesPerMs = device.memoryMBps.value * 1e3 * REACHED.value;
  const ms = (bytes: number) => bytes / bytesPerMs;
  const layers = shape.moeLayers.map((layer) => ({
    attentionMs: ms(dense.attention),
    attentionMsPerPosition: ms(kvBytesPerToken / shape.layerCount),
    sharedMs: ms(dense.shared),
    expertsMs: Array.from({ length: shape.expertUsedCount + 1 }, (_, n) => {
      return n * ms(expertBytes(layer));
    }),
    combineMs: 0,
  }));
  return {
    times: {
      graphMs: device.graphMs.value,
      denseMs: ms(dense.dense),
      layers,
      headMs: ms(dense.head),
    },
    assumptions: [
      `computing reads each weight once at ${device.memoryMBps.value} MB/s ` +
        `(${device.memoryMBps.source}); ${REACHED.source}`,
      device.graphMs.source,
    ],
  };
}

/** Time of `rows` rows of one expert: its weights are read once, or its products take longer. */
export function expertRowsMs(
  expertBytes: number,
  expertWeights: number,
  device: ComputeDevice,
  rows: number,
): number {
  const readMs = expertBytes / (device.memoryMBps.value * 1e3 * REACHED.value);
  const workMs = (2 * expertWeights * rows) / (device.gigaflops.value * 1e6 * REACHED.value);
  return Math.max(readMs, workMs);
}
