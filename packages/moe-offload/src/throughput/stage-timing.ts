import { Arena } from "@fmlab/ggml";
import { median } from "@fmlab/stats";
import { LayerGraph } from "../engine/layer-graph.ts";
import { nodeCountMax } from "../engine/machine.ts";
import { ActivationMemory } from "../prefill/activation-memory.ts";
import type { BatchMachine } from "../prefill/batch-machine.ts";
import { ExpertProducts } from "../prefill/device/expert-products.ts";
import { WaveGraph } from "../prefill/wave-graph.ts";

/** How often each graph is timed. */
const REPEATS = 15;
/** Experts, and rows of each, in the two timings from which an expert's times are solved. */
const EXPERTS = 8;
const ROWS = 8;

/** Times of a layer's routed part for a batch of `tokens` tokens, whole nanoseconds. */
export interface ComputeTimes {
  readonly gateNs: number;
  readonly expertNs: number;
  readonly expertRowNs: number;
}

/**
 * Times a router and experts on this machine, with the graphs that generation uses.
 *
 * @throws GgmlError `ALLOCATION_FAILED`
 */
export function timeLayer(
  machine: BatchMachine,
  tokens: number,
  nowMs: () => number,
): ComputeTimes {
  const memory = new ActivationMemory(
    machine.model,
    machine.device,
    Math.max(tokens, EXPERTS * ROWS),
  );
  try {
    const gateNs = timeGate(machine, memory, tokens, nowMs);
    const one = timeWave(machine, memory, 1, nowMs);
    const many = timeWave(machine, memory, ROWS, nowMs);
    // `experts * (fixed + rows * each)`: two equations for two unknowns.
    const expertRowNs = Math.max(0, Math.round((many - one) / (EXPERTS * (ROWS - 1))));
    const expertNs = Math.max(0, Math.round(one / EXPERTS) - expertRowNs);
    return { gateNs, expertNs, expertRowNs };
  } finally {
    memory.close();
  }
}

function timeGate(
  machine: BatchMachine,
  memory: ActivationMemory,
  tokens: number,
  nowMs: () => number,
): number {
  const { backend, context, device, model, weights } = machine;
  const size = nodeCountMax(model, 1);
  const arena = new Arena(device.library, { tensorCountMax: size, graphNodeCountMax: size });
  const slices = memory.slices(0, tokens);
  try {
    const graph = new LayerGraph(arena, model, weights, context, { tokenCount: 1, visible: 1 });
    const routed = graph.route(model.moeLayers[0] ?? 0, arena.alias(slices.normed));
    arena.graph.expand(routed.weights);
    arena.allocate(device);
    if (!device.isHost) return medianNs(() => backend.compute(arena.graph), nowMs);
    const plan = backend.plan(arena.graph);
    try {
      return medianNs(() => plan.compute(), nowMs);
    } finally {
      plan.close();
    }
  } finally {
    arena.close();
    slices.close();
  }
}

/** Time of a wave of experts with `rows` rows each, ns. */
function timeWave(
  machine: BatchMachine,
  memory: ActivationMemory,
  rows: number,
  nowMs: () => number,
): number {
  const { device, pool } = machine;
  if (!device.isHost) return timeProducts(machine, memory, rows, nowMs);
  const count = EXPERTS * rows;
  const graph = new WaveGraph(machine, memory, 0, count);
  try {
    const slots = pool.classes[0]?.slotCount ?? 1;
    for (let row = 0; row < count; row++) {
      graph.tokens[row] = row;
      graph.slots[row] = Math.floor(row / rows) % slots;
      graph.places[row] = BigInt(row);
    }
    return medianNs(() => graph.compute(count), nowMs);
  } finally {
    graph.close();
  }
}

/** The same on a card, where each expert is products of its own. */
function timeProducts(
  machine: BatchMachine,
  memory: ActivationMemory,
  rows: number,
  nowMs: () => number,
): number {
  const [kind] = machine.pool.classes;
  if (!kind) throw new Error("a pool has a class of slots");
  const products = new ExpertProducts(machine, kind, memory.normed);
  try {
    return medianNs(() => {
      for (let expert = 0; expert < EXPERTS; expert++) {
        products.begin(kind.firstSlot + (expert % kind.slotCount), expert * rows, rows);
      }
      machine.backend.synchronize();
    }, nowMs);
  } finally {
    products.close();
  }
}

function medianNs(run: () => void, nowMs: () => number): number {
  run();
  const times = Array.from({ length: REPEATS }, () => {
    const startMs = nowMs();
    run();
    return nowMs() - startMs;
  });
  return Math.round(median(times) * 1e6);
}
