import { mean, median } from "@fmlab/stats";
import { StreamRecorder, type StreamTimes } from "../prefill/stream-recorder.ts";
import { WavePrefill } from "../prefill/wave-prefill.ts";
import type { BudgetMachine, PrefillBench } from "./prefill-bench.ts";
import type { PrefillCellResult, ResidentPrefill } from "./prefill-job.ts";
import type { PrefillStrategyName } from "./prefill-names.ts";
import { type PlannedPrefill, type PrefillTimes, planPrefill } from "./prefill-plan.ts";
import { openPrefill } from "./prefill-strategies.ts";
import { PrefillTexts } from "./prefill-texts.ts";

/** A strategy that runs prompts. */
type Runnable = Exclude<PrefillStrategyName, "planned">;

/** Prompts that one strategy has evaluated. */
interface Evaluated {
  readonly promptMs: number[];
  readonly times: StreamTimes[];
  readonly missedExperts: number[];
}

/** What was measured with every expert in a slot. */
export interface ResidentTimes extends ResidentPrefill {
  readonly times: PrefillTimes;
}

/** Evaluates prompts of one length with one strategy. @throws whatever the lane throws */
export function runPrefillCell(
  bench: PrefillBench,
  opened: BudgetMachine,
  cell: { readonly strategy: PrefillStrategyName; readonly promptTokens: number },
  machine: { readonly resident: ResidentTimes; readonly linkMBps: number },
): PrefillCellResult {
  const { promptTokens, strategy } = cell;
  const { linkMBps, resident } = machine;
  const slotCount = opened.machine.pool.slotCount;
  const plan = strategy === "planned" ? planOf(bench, slotCount, promptTokens, machine) : undefined;
  const texts = new PrefillTexts(bench.measured, bench.layout, promptTokens);
  const order = Array.from({ length: texts.count }, (_, text) => text);
  const run = evaluate(bench, opened, nameOf(strategy, plan), texts, order);
  // The first one warms caches and is not counted.
  const promptMs = run.promptMs.slice(1);
  const times = run.times.slice(1);
  const { expertBytes } = bench.layout;
  const missedBytes = expertBytes * mean(run.missedExperts.slice(1));
  const waitMs = mean(times.map((one) => one.waitMs));
  const copyMs = mean(times.map((one) => one.transferMs));
  const boundMs = Math.max(mean(resident.promptMs), missedBytes / 1e3 / linkMBps);
  return {
    strategy,
    plan,
    slots: slotCount,
    promptTokens,
    promptMs,
    missedBytes,
    loadedBytes: mean(times.map(({ bytes }) => bytes)),
    waitMs,
    copyMs,
    hiddenShare: copyMs === 0 ? 1 : Math.max(0, 1 - waitMs / copyMs),
    boundMs,
    boundShare: boundMs / mean(promptMs),
  };
}

/** Prompts of one length with a slot for every expert, each evaluated twice, the second counted. */
export function runResidentPrefill(
  bench: PrefillBench,
  opened: BudgetMachine,
  promptTokens: number,
): ResidentTimes {
  const texts = new PrefillTexts(bench.measured, bench.layout, promptTokens);
  const order = Array.from({ length: 2 * texts.count }, (_, i) => i >> 1);
  const run = evaluate(bench, opened, "waves", texts, order);
  const second = <T>(values: readonly T[]) => values.filter((_, i) => i % 2 === 1);
  const promptMs = second(run.promptMs);
  const times = second(run.times);
  const { expertUsedCount, moeLayers } = bench.layout;
  const rows = moeLayers.reduce((sum, layer) => sum + texts.tokensAt(layer) * expertUsedCount, 0);
  return {
    promptTokens,
    promptMs,
    times: {
      promptMs: median(promptMs),
      layerMs: median(times.map(({ attentionMs }) => attentionMs)) / moeLayers.length,
      rowMs: median(times.map(({ expertsMs }) => expertsMs)) / rows,
      headMs: median(times.map(({ headMs }) => headMs)),
    },
  };
}

function nameOf(strategy: PrefillStrategyName, plan: PlannedPrefill | undefined): Runnable {
  return strategy === "planned" ? (plan?.name ?? "waves") : strategy;
}

function planOf(
  { calibration, layout, planning }: PrefillBench,
  slotCount: number,
  promptTokens: number,
  { linkMBps, resident }: { readonly resident: ResidentTimes; readonly linkMBps: number },
): PlannedPrefill {
  const texts = new PrefillTexts(planning, layout, promptTokens);
  const { expertBytes } = layout;
  return planPrefill({
    slotCount,
    expertBytes,
    calibration,
    texts,
    times: resident.times,
    linkMBps,
  });
}

function evaluate(
  bench: PrefillBench,
  { lane, layout, machine }: BudgetMachine,
  strategy: Runnable,
  texts: PrefillTexts,
  order: readonly number[],
): Evaluated {
  const { layerMs } = bench.job;
  const recorder = new StreamRecorder(layout);
  let text = 0;
  const { makePass, stream } = openPrefill(strategy, {
    lane,
    slotCount: machine.pool.slotCount,
    expertBytes: layout.expertBytes,
    calibration: bench.calibration,
    texts,
    text: () => text,
  });
  stream.onLoad = recorder.onLoad;
  stream.onWait = recorder.onWait;
  const nowMs = () => lane.nowMs();
  const replaceRouting = (layer: number, chosen: Int32Array) => texts.replace(text, layer, chosen);
  const waves = new WavePrefill(machine, stream, { nowMs, replaceRouting }, makePass);
  waves.waves.onWave = recorder.onWave;
  waves.onSegment = (startMs, endMs, { layer }) => {
    const leastMs = layer === -1 ? 0 : layerMs;
    while (nowMs() - startMs < leastMs);
    recorder.onSegment(startMs, Math.max(endMs, startMs + leastMs), layer);
  };
  const run: Evaluated = { promptMs: [], times: [], missedExperts: [] };
  try {
    for (text of order) {
      bench.throwIfCancelled();
      const there = new Set(stream.settle().map(({ key }) => key));
      recorder.take();
      run.missedExperts.push(missedOf(texts, text, there));
      const startMs = nowMs();
      machine.context.enter(tokensOf(text, texts.tokensAt(0)), 0, texts.tokensAt(0), 0);
      waves.evaluate({ tokenCount: texts.tokensAt(0), position: 0, wantsLogits: true });
      run.promptMs.push(nowMs() - startMs);
      run.times.push(recorder.take());
    }
    stream.settle();
    return run;
  } finally {
    waves.close();
  }
}

/** Experts that a prompt needs and that lie in no slot when it begins. */
function missedOf(texts: PrefillTexts, text: number, there: ReadonlySet<number>): number {
  const { expertCount, moeLayers } = texts.shape;
  const needed = new Set<number>();
  for (const layer of moeLayers) {
    for (const expert of texts.chosen(text, layer)) needed.add(layer * expertCount + expert);
  }
  return [...needed].filter((key) => !there.has(key)).length;
}

/** Tokens whose embeddings are entered; every vocabulary has more. */
const TOKENS = 30_000;

function tokensOf(text: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => 1 + ((text * 7919 + i * 104_729) % TOKENS));
}
