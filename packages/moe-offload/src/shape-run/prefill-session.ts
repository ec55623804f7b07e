import { GgmlLibrary } from "@fmlab/ggml";
import { findDevice } from "../engine/device/find-device.ts";
import type { ComputeHost } from "../quality/compute-messages.ts";
import { type BudgetMachine, PrefillBench } from "./prefill-bench.ts";
import { type ResidentTimes, runPrefillCell, runResidentPrefill } from "./prefill-cell.ts";
import type { PrefillCellResult, ShapePrefillJob, ShapePrefillResult } from "./prefill-job.ts";
import { PREFILL_TITLES } from "./prefill-names.ts";

/** Copies that a link is measured over, and those before that are not counted. */
const COPIES = 48;
const WARMUP = 4;

/**
 * Evaluates prompts of a published model at its true sizes with random content, its routing
 * replayed from a trace, under each budget with each strategy. All experts lie in host memory from
 * the start.
 *
 * @throws MoeError, EngineError, GgmlError for what does not fit; ExperimentError `CANCELLED`
 */
export function runShapePrefillJob(job: ShapePrefillJob, host: ComputeHost): ShapePrefillResult {
  host.log("filling host memory with experts");
  const bench = new PrefillBench(job, () => host.throwIfCancelled());
  try {
    const { layout } = bench;
    const expertTotal = layout.moeLayers.length * layout.expertCount;
    const { linkMBps, resident } = measure(bench, host, expertTotal);
    const cells: PrefillCellResult[] = [];
    const { promptTokens: lengths, strategies } = job;
    // More slots than experts are all the same.
    const budgets = [...new Set(job.slots.map((slots) => Math.min(slots, expertTotal)))];
    const total = budgets.length * lengths.length * strategies.length;
    for (const slots of budgets) {
      onBudget(bench, slots, (opened) => {
        for (const promptTokens of lengths) {
          const of = resident.find((one) => one.promptTokens === promptTokens);
          if (!of) continue;
          for (const strategy of strategies) {
            host.throwIfCancelled();
            host.progress(cells.length, total, `${PREFILL_TITLES[strategy]}, ${slots} slots`);
            const cell = { strategy, promptTokens };
            const result = runPrefillCell(bench, opened, cell, { resident: of, linkMBps });
            cells.push(result);
            tell(host, result, cells.length - 1);
          }
        }
      });
    }
    return {
      label: bench.label,
      deviceName: findDevice(GgmlLibrary.load(), job.device).description,
      expertBytes: layout.expertBytes,
      expertTotal,
      layerCount: layout.layerCount,
      measuredLinkMBps: linkMBps,
      resident: resident.map(({ promptMs, promptTokens }) => ({ promptMs, promptTokens })),
      cells,
    };
  } finally {
    bench.close();
  }
}

function measure(bench: PrefillBench, host: ComputeHost, expertTotal: number) {
  return onBudget(bench, expertTotal, (opened) => {
    const linkMBps = measureLink(opened);
    host.log(`link: ${linkMBps.toFixed(0)} MB/s`);
    const resident: ResidentTimes[] = [];
    for (const promptTokens of bench.job.promptTokens) {
      host.throwIfCancelled();
      resident.push(runResidentPrefill(bench, opened, promptTokens));
    }
    return { linkMBps, resident };
  });
}

/** Runs with memory for so many experts. */
function onBudget<T>(bench: PrefillBench, slots: number, run: (opened: BudgetMachine) => T): T {
  const opened = bench.open(slots, new Int32Array(new SharedArrayBuffer(4)));
  try {
    return run(opened);
  } finally {
    opened.close();
  }
}

/** The speed of the link over copies that wait for nothing, MB/s. */
function measureLink({ lane, layout, machine }: BudgetMachine): number {
  const { expertBytes, expertCount, moeLayers } = layout;
  const count = Math.min(COPIES + WARMUP, machine.pool.slotCount);
  const copy = (from: number, to: number) => {
    for (let slot = from; slot < to; slot++) {
      const layer = moeLayers[Math.floor(slot / expertCount)] ?? 0;
      lane.submit(layer * expertCount + (slot % expertCount), slot, "demand");
    }
    for (let slot = from; slot < to; slot++) lane.waitFor(slot);
  };
  const warmup = Math.min(WARMUP, count - 1);
  copy(0, warmup);
  const startMs = lane.nowMs();
  copy(warmup, count);
  const elapsedMs = lane.nowMs() - startMs;
  lane.drain(() => {});
  return ((count - warmup) * expertBytes) / 1e3 / elapsedMs;
}

function tell(host: ComputeHost, cell: PrefillCellResult, step: number): void {
  const { promptMs, promptTokens, slots, strategy } = cell;
  const meanMs = promptMs.reduce((sum, ms) => sum + ms, 0) / promptMs.length;
  host.partial(step, [
    {
      metric: "prefillTokensPerSecond",
      value: (1000 * promptTokens) / meanMs,
      labels: { strategy, slots: String(slots), promptTokens: String(promptTokens) },
    },
  ]);
}
