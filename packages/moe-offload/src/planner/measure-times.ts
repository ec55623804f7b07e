import type { GgufFile } from "@fmlab/ggml";
import type { DeviceName } from "../engine/device/device-names.ts";
import { MoeEngine } from "../engine/engine.ts";
import type { ExpertSource, LayerPhase, SlotPool } from "../engine/interfaces.ts";
import type { ExpertLayout } from "../model/expert-layout.ts";
import type { Routing } from "../offload/routing.ts";
import type { ComputeTimes, LayerComputeTimes } from "../replay/compute-times.ts";
import { fillSlots } from "../tiers/fill-slots.ts";

/** What decides how long measuring takes and what it measures. */
export interface MeasureRequest {
  /** Where the model is computed; default: the CPU. */
  readonly device?: DeviceName | undefined;
  readonly threads: number;
  /** Tokens of the context; attention is measured at its start and its end. */
  readonly contextLength: number;
  /** Passes over all numbers of ready experts; the median counts. */
  readonly rounds: number;
  /** Tokens to compute with, as many as the context at least. */
  readonly tokens: ArrayLike<number>;
  readonly nowMs: () => number;
  readonly cancelFlag: Int32Array;
  /** Memory for experts while measuring; at least one layer's is taken. No limit when missing. */
  readonly expertMemoryBytes?: number;
}

/**
 * Measures how long the parts of a token compute on this machine: attention by position, the shared
 * expert, `n` routed experts in one graph, their sum, the head. The graphs are those of decoding.
 * Experts lie in one layer's worth of slots, so a model of any size can be measured; caches of the
 * processor see fewer different bytes than in a real run. On a card the experts of a layer are
 * computed in the graph of the next one's attention, and count there.
 *
 * @throws EngineError | GgmlError | GgufError, MoeError `EXPERT_UNREADABLE`
 */
export function measureComputeTimes(
  file: GgufFile,
  layout: ExpertLayout,
  request: MeasureRequest,
): ComputeTimes {
  const source = new StagedSource(layout.expertUsedCount);
  const { contextLength, device, threads } = request;
  const rooms = roomsFor(layout, request.expertMemoryBytes ?? Number.POSITIVE_INFINITY);
  const slotCount = layout.classes.map(
    ({ layers }) => Math.min(layers.length, rooms) * layout.expertCount,
  );
  const options = { slotCount, threads, contextLength, ...(device && { device }) };
  const engine = MoeEngine.open(file, options, (pool) => {
    source.open(pool, layout, request.cancelFlag);
    return source;
  });
  try {
    const samples = new PhaseSamples(layout);
    const measured = measure(engine, source, samples, request);
    return summarise(layout, samples, measured);
  } finally {
    engine.close();
  }
}

/** Layers whose experts are kept apart while measuring: enough that caches do not hold them all. */
const RESIDENT_LAYERS_MAX = 8;

/** Layers of each class that fit, at least one: without it nothing can be measured. */
function roomsFor(layout: ExpertLayout, memoryBytes: number): number {
  const layerBytes = layout.classes.reduce(
    (sum, { expertBytes }) => sum + layout.expertCount * expertBytes,
    0,
  );
  return Math.min(RESIDENT_LAYERS_MAX, Math.max(1, Math.floor(memoryBytes / layerBytes)));
}

/** Says that the first `readyCount` experts are there and that the others come when waited for. */
class StagedSource implements ExpertSource {
  readonly readyFirst = true;
  readyCount = 0;
  readonly #used: number;
  #hasWaited = false;
  #firstSlots = new Int32Array(0);

  constructor(used: number) {
    this.#used = used;
  }

  /** Fills the pool and remembers where each layer's experts begin. */
  open(pool: SlotPool, layout: ExpertLayout, cancelFlag: Int32Array): void {
    const keys: number[] = [];
    const slots: number[] = [];
    this.#firstSlots = new Int32Array(layout.layerCount);
    for (const kind of pool.classes) {
      const layers = layout.classes[kind.index]?.layers ?? [];
      const rooms = Math.floor(kind.slotCount / layout.expertCount);
      layers.forEach((layer, i) => {
        this.#firstSlots[layer] = kind.firstSlot + (i % rooms) * layout.expertCount;
        if (i >= rooms) return;
        for (let expert = 0; expert < layout.expertCount; expert++) {
          keys.push(layer * layout.expertCount + expert);
          slots.push((this.#firstSlots[layer] ?? 0) + expert);
        }
      });
    }
    const options = { cancelFlag };
    fillSlots({ pool, layout, keys, slots: Int32Array.from(slots), lane: undefined, options });
  }

  request({ layer, experts }: Routing, slots: Int32Array): void {
    this.#hasWaited = false;
    for (let i = 0; i < experts.length; i++) {
      slots[i] = (this.#firstSlots[layer] ?? 0) + (experts[i] ?? 0);
    }
  }

  isReady(index: number): boolean {
    return this.#hasWaited || index < this.readyCount || this.readyCount === this.#used;
  }

  waitFor(): void {
    this.#hasWaited = true;
  }

  release(): void {}
}

/** Times of the phases of layers, by number of ready experts. */
class PhaseSamples {
  /** `[place among MoE layers][readyCount]`: until the first wait, and after it. */
  readonly before: number[][][];
  readonly after: number[][][];
  readonly head: number[] = [];

  constructor(layout: ExpertLayout) {
    const table = () =>
      layout.moeLayers.map(() =>
        Array.from({ length: layout.expertUsedCount + 1 }, (): number[] => []),
      );
    this.before = table();
    this.after = table();
  }
}

interface Attention {
  /** By place among MoE layers: at the context's start, and at its end. */
  readonly first: number[][];
  readonly last: number[][];
  readonly dense: number[];
  readonly lastPosition: number;
}

function measure(
  engine: MoeEngine,
  source: StagedSource,
  samples: PhaseSamples,
  request: MeasureRequest,
): Attention {
  const { moeLayers, expertUsedCount } = engine.shape;
  const lastPosition = engine.contextLength - 1 - expertUsedCount;
  const attention: Attention = {
    first: moeLayers.map(() => []),
    last: moeLayers.map(() => []),
    dense: [],
    lastPosition,
  };
  let phase: LayerPhase = "idle";
  let phaseLayer = 0;
  let startMs = 0;
  let hasWaited = false;
  engine.onLayer = (next, layer) => {
    const nowMs = request.nowMs();
    const place = moeLayers.indexOf(phaseLayer);
    const ms = nowMs - startMs;
    if (phase === "attention") {
      if (place === -1) attention.dense.push(ms);
      else if (engine.position <= expertUsedCount) attention.first[place]?.push(ms);
      else if (engine.position >= lastPosition) attention.last[place]?.push(ms);
      hasWaited = false;
    } else if (phase === "experts") {
      (hasWaited ? samples.after : samples.before)[place]?.[source.readyCount]?.push(ms);
    } else if (phase === "wait") hasWaited = true;
    else if (phase === "head") samples.head.push(ms);
    phase = next;
    phaseLayer = layer;
    startMs = nowMs;
  };
  for (let round = 0; round <= request.rounds; round++) {
    engine.reset();
    for (let position = 0; position < engine.contextLength; position++) {
      source.readyCount = position % (expertUsedCount + 1);
      engine.decode(request.tokens[position % request.tokens.length] ?? 0);
    }
    // The first pass builds graphs and warms up.
    if (round === 0) clear(samples, attention);
  }
  engine.onLayer = undefined;
  return attention;
}

function clear(samples: PhaseSamples, attention: Attention): void {
  for (const table of [samples.before, samples.after]) {
    for (const row of table) for (const list of row) list.length = 0;
  }
  for (const table of [attention.first, attention.last]) for (const list of table) list.length = 0;
  samples.head.length = 0;
  attention.dense.length = 0;
}

function summarise(
  layout: ExpertLayout,
  samples: PhaseSamples,
  attention: Attention,
): ComputeTimes {
  const used = layout.expertUsedCount;
  const layers = layout.moeLayers.map((_, place): LayerComputeTimes => {
    const before = (samples.before[place] ?? []).map(median);
    const after = (samples.after[place] ?? []).map(median);
    const sharedMs = before[0] ?? 0;
    const rows = before.map((ms, n) => (n === 0 || n === used ? 0 : Math.max(0, ms - sharedMs)));
    // What follows the wait is the other rows and the sum; one row is measured on both sides.
    const combineMs =
      used === 1
        ? 0
        : mean(rows.slice(1, used).map((_, i) => (after[i + 1] ?? 0) - (rows[used - i - 1] ?? 0)));
    rows[used] = Math.max(0, (after[0] ?? 0) - combineMs);
    const firstMs = median(attention.first[place] ?? []);
    const lastMs = median(attention.last[place] ?? []);
    return {
      attentionMs: firstMs,
      attentionMsPerPosition: Math.max(0, (lastMs - firstMs) / Math.max(1, attention.lastPosition)),
      sharedMs,
      expertsMs: rows,
      combineMs: Math.max(0, combineMs),
      wholeMs: before[used] ?? 0,
    };
  });
  return {
    // Starting a graph is part of each measured time.
    graphMs: 0,
    denseMs: attention.dense.length > 0 ? median(attention.dense) : 0,
    layers,
    headMs: median(samples.head),
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
