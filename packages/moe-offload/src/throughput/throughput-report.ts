import type { RunContext, SeriesInput, Summary } from "@fmlab/experiment";
import type { ThroughputConfig } from "../definitions/throughput.ts";
import type { StreamFacts } from "../prefill/stream-session.ts";
import type {
  DifferenceRecord,
  PlanRecord,
  ScheduleRecord,
  StepRecord,
  ThroughputResult,
} from "./messages.ts";
import { differenceTable, hotTable, planTable, scheduleTable, timeBars } from "./report-series.ts";
import { bubbleShare, bytesPerToken, share, tokensPerSecond } from "./schedule-numbers.ts";

/** Points of the picture of steps; of longer runs every n-th. */
const LINE_POINTS_MAX = 2000;

/** Turns what a throughput session tells into metrics, pictures and the summary of a run. */
export class ThroughputReport {
  readonly #ctx: RunContext;
  readonly #config: ThroughputConfig;
  readonly #records: ScheduleRecord[] = [];
  readonly #steps = new Map<string, StepRecord[]>();
  #facts: StreamFacts | undefined;
  #plan: PlanRecord | undefined;

  constructor(ctx: RunContext, config: ThroughputConfig) {
    this.#ctx = ctx;
    this.#config = config;
  }

  opened(facts: StreamFacts): void {
    this.#facts = facts;
    this.#ctx.log(
      `${facts.modelName} (${facts.architecture}): ${facts.slotCount} of ${facts.expertTotal} ` +
        "experts fit in memory",
    );
    this.#ctx.note("readMode", facts.readMode);
    this.#ctx.note("device", facts.deviceName);
    this.#progress("planning the group");
  }

  planned(record: PlanRecord): void {
    this.#plan = record;
    const { plan } = record;
    this.#ctx.metric("batches", record.batches);
    this.#ctx.series("plan", planTable(record));
    this.#ctx.log(
      `groups of ${record.batches} batches; the inequalities ask for ` +
        `${plan.batchesWanted ?? "more than any group has"}, bound by ${plan.boundBy}`,
    );
  }

  steps(steps: StepRecord[]): void {
    for (const record of steps) {
      const own = this.#steps.get(record.schedule) ?? [];
      own.push(record);
      this.#steps.set(record.schedule, own);
      const axes = { step: record.step, schedule: record.schedule };
      this.#ctx.metric("stepMs", record.stepMs, axes);
      this.#progress(record.schedule);
    }
  }

  schedule(record: ScheduleRecord): void {
    const ctx = this.#ctx;
    const axes = { step: this.#records.length, schedule: record.schedule };
    this.#records.push(record);
    ctx.metric("tokensPerSecond", tokensPerSecond(record), axes);
    ctx.metric("bytesPerToken", bytesPerToken(record), axes);
    ctx.metric("bubbleShare", bubbleShare(record), axes);
    ctx.series("schedules", scheduleTable(this.#records));
    ctx.series("time", timeBars(this.#records));
    ctx.log(`${record.schedule}: ${tokensPerSecond(record).toFixed(1)} tok/s`);
  }

  /** Draws the pictures and returns the summary. */
  finish(result: ThroughputResult): Summary {
    const ctx = this.#ctx;
    const last = this.#records.at(-1);
    const { difference } = result;
    const speedup = this.#speedup();
    ctx.metric("speedup", speedup);
    const hot = this.#records.findLast((record) => record.hot)?.hot;
    if (hot) {
      ctx.metric("prefetchUsed", share(hot.used, hot.predicted));
      ctx.metric("prefetchHot", share(hot.hot, hot.predicted));
      ctx.series("hot", hotTable(hot.byLayer));
    }
    if (difference) {
      ctx.metric("klMean", difference.klMean);
      ctx.metric("nearTies", difference.nearTies.length);
      ctx.series("differences", differenceTable(difference));
    }
    const { quantisedDifference } = result;
    if (quantisedDifference) ctx.metric("klQuantised", quantisedDifference.klMean);
    ctx.series("pipeline", timelineOf(result, last?.schedule ?? "", this.#config.timelineSteps));
    ctx.series("steps", this.#stepSeries());
    ctx.series("output", {
      kind: "text",
      blocks: result.texts.map((text, index) => ({
        title: `Sequence ${index + 1}`,
        prompt: result.prompts[index] ?? "",
        text,
      })),
    });
    const ofLast = {
      tokensPerSecond: last ? tokensPerSecond(last) : null,
      bytesPerToken: last ? bytesPerToken(last) : null,
      bubbleShare: last ? bubbleShare(last) : null,
    };
    for (const [name, value] of Object.entries(ofLast)) if (value !== null) ctx.metric(name, value);
    return {
      ...ofLast,
      speedup,
      batches: this.#plan?.batches ?? null,
      prefetchUsed: hot ? share(hot.used, hot.predicted) : null,
      prefetchHot: hot ? share(hot.hot, hot.predicted) : null,
      klMean: difference?.klMean ?? null,
      klQuantised: quantisedDifference?.klMean ?? null,
      nearTies: difference?.nearTies.length ?? null,
      ...this.#record(difference),
      text: result.texts,
    };
  }

  #record(difference: DifferenceRecord | undefined): Summary {
    return {
      schedules: Object.fromEntries(
        this.#records.map((record) => [
          record.schedule,
          {
            tokensPerSecond: tokensPerSecond(record),
            batches: record.batches,
            sequences: record.sequences,
            prefillMs: record.prefillMs,
            decodeMs: record.decodeMs,
            bytesPerToken: bytesPerToken(record),
            bubbleShare: bubbleShare(record),
          },
        ]),
      ),
      plan: this.#plan && { ...this.#plan.plan, times: this.#plan.times },
      difference,
      facts: this.#facts,
    };
  }

  #speedup(): number {
    const [first] = this.#records;
    const last = this.#records.at(-1);
    return first && last ? tokensPerSecond(last) / tokensPerSecond(first) : Number.NaN;
  }

  #stepSeries(): SeriesInput {
    const longest = Math.max(0, ...[...this.#steps.values()].map((steps) => steps.length));
    const stride = Math.max(1, Math.ceil(longest / LINE_POINTS_MAX));
    const x = Array.from({ length: Math.ceil(longest / stride) }, (_, index) => index * stride);
    return {
      kind: "line",
      xLabel: stride === 1 ? "step" : `step (every ${stride}th)`,
      yLabel: "time of a step",
      yUnit: "ms",
      x,
      curves: [...this.#steps].map(([name, steps]) => ({
        name,
        y: x.map((step) => steps[step]?.stepMs ?? null),
      })),
    };
  }

  #progress(label: string): void {
    // How many groups a schedule runs is known once it has run; schedules count alike.
    const done = this.#records.length;
    this.#ctx.progress(done, this.#config.schedules.length, label);
  }
}

function timelineOf({ timeline }: ThroughputResult, name: string, steps: number): SeriesInput {
  const zero = timeline.events.reduce(
    (min, { startMs }) => Math.min(min, startMs),
    Number.POSITIVE_INFINITY,
  );
  return {
    kind: "timeline",
    lanes: timeline.lanes,
    events: timeline.events.map((event) => ({
      ...event,
      startMs: event.startMs - zero,
      endMs: event.endMs - zero,
    })),
    note:
      steps === 1
        ? `the first decode step of ${name}`
        : `the first ${steps} decode steps of ${name}`,
  };
}
