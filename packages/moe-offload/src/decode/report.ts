import {
  assert,
  type RunContext,
  type SeriesInput,
  type Summary,
  type TimelineSeries,
} from "@fmlab/experiment";
import type { DecodeConfig } from "../definitions/decode.ts";
import type {
  LossyNumbers,
  PromptRecord,
  SessionFacts,
  SessionResult,
  StepRecord,
} from "./messages.ts";
import { heatmapOf, layersSeries, tokenPartsSeries } from "./report-series.ts";
import { traceEvents } from "./trace-events.ts";

const MIB = 1_048_576;
/** Live text is replaced at most this often; each replacement is stored. */
const TEXT_EVERY_MS = 500;
/** Points of the time-per-token picture; longer runs keep every n-th. */
const LINE_POINTS_MAX = 2000;
/** Steps told one by one; of longer runs each point is the mean of several steps. */
const METRIC_POINTS_MAX = 4000;

/** Turns a session's messages into metrics, pictures, log lines and the summary of a run. */
export class Report {
  #ctx: RunContext;
  #config: DecodeConfig;
  #facts: SessionFacts | undefined;
  #prompts: PromptRecord[] = [];
  #texts: string[] = [];
  #stepMs: number[] = [];
  #stallMs: number[] = [];
  #transferMs: number[] = [];
  #decodeMs = 0;
  #bytes = 0;
  #misses: number[] = [];
  #lateHits = 0;
  #lowPrecision = 0;
  #cpuComputed = 0;
  #textSentMs = Number.NEGATIVE_INFINITY;
  /** Steps that wait for their common metric point. */
  #untold: StepRecord[] = [];

  constructor(ctx: RunContext, config: DecodeConfig) {
    this.#ctx = ctx;
    this.#config = config;
  }

  calibrating(done: number, total: number): void {
    this.#ctx.progress(done, total, "the model writes text for the strategy to learn from");
  }

  makingTwins(done: number, total: number): void {
    this.#ctx.progress(done, total, "making low-precision copies of the experts");
  }

  comparing(done: number, total: number): void {
    this.#ctx.progress(done, total, "evaluating the same tokens in full precision");
  }

  opened(facts: SessionFacts): void {
    this.#facts = facts;
    this.#misses = new Array<number>(facts.layerCount).fill(0);
    const ctx = this.#ctx;
    const { budget } = facts;
    ctx.log(
      `${facts.modelName} (${facts.architecture}): ${facts.layerCount} layers of ` +
        `${facts.expertCount} experts, top-${facts.expertUsedCount}; ${budget.slotCount} of ` +
        `${budget.expertTotal} experts fit in memory; opened in ${facts.openMs.toFixed(0)} ms`,
    );
    ctx.metric("openMs", facts.openMs);
    ctx.metric("expertMemoryMiB", budget.usedBytes / MIB);
    ctx.note("readMode", facts.readMode ?? "none: every expert is resident");
    this.#tellCalibration(facts);
    this.#tellTwins(facts);
    if (facts.readMode === "buffered") {
      const remark =
        "the file system does not offer O_DIRECT: experts are read through the page cache, " +
        "so that real reads are faster than the disk";
      ctx.note("readModeRemark", remark);
      ctx.log(remark, "warn");
    }
    this.#progress("evaluating the prompt");
  }

  #tellCalibration({ calibration }: SessionFacts): void {
    if (!calibration) return;
    const { notKept, origin, tokenCount } = calibration;
    const source = {
      file: "the file beside the model",
      made: "text the model just wrote",
      text: this.#config.calibrationFile,
    }[origin];
    this.#ctx.note("calibration", `${tokenCount} tokens, ${source}`);
    this.#ctx.log(`calibrated on ${tokenCount} tokens, from ${source}`);
    if (notKept !== undefined) this.#ctx.log(notKept, "warn");
  }

  #tellTwins({ budget, twins }: SessionFacts): void {
    if (!twins) return;
    const { expertBytes, kind, stagingSlots, wasMade } = twins;
    const percent = ((100 * expertBytes) / budget.expertBytes).toFixed(0);
    this.#ctx.note("lossy", `misses of decode steps are computed in ${kind}`);
    this.#ctx.log(
      `${kind} copies of the experts were ${wasMade ? "made" : "found"}: ${percent} % of the ` +
        `bytes; ${stagingSlots} slots of the budget are theirs`,
    );
  }

  prompt(record: PromptRecord): void {
    const ctx = this.#ctx;
    const axes = { step: record.prompt };
    this.#prompts.push(record);
    this.#texts.push(record.firstText);
    ctx.metric("prefillTokensPerSecond", perSecond(record.promptTokens, record.prefillMs), axes);
    ctx.metric("timeToFirstTokenMs", record.firstTokenMs, axes);
    ctx.log(
      `prompt ${record.prompt + 1}: ${record.promptTokens} tokens evaluated in ` +
        `${record.prefillMs.toFixed(1)} ms`,
    );
    this.#progress(`prompt ${record.prompt + 1} of ${this.#config.prompts.length}`);
  }

  steps(steps: StepRecord[]): void {
    const ctx = this.#ctx;
    for (const record of steps) {
      this.#stepMs.push(record.stepMs);
      this.#stallMs.push(record.stallMs);
      this.#transferMs.push(record.transferMs);
      this.#decodeMs += record.stepMs;
      this.#bytes += record.bytes;
      this.#lateHits += record.lateHits;
      this.#lowPrecision += record.lowPrecision;
      this.#cpuComputed += record.cpuComputed;
      record.misses.forEach((n, layer) => {
        this.#misses[layer] = (this.#misses[layer] ?? 0) + n;
      });
      this.#texts[record.prompt] = (this.#texts[record.prompt] ?? "") + record.text;
      this.#tellStep(record);
    }
    const step = this.#stepMs.length - 1;
    ctx.metric("decodeTokensPerSecond", perSecond(this.#stepMs.length, this.#decodeMs), { step });
    ctx.metric("hitRate", this.#hitRate(), { step });
    ctx.metric("lateHitRate", this.#lateHitRate(), { step });
    if (this.#mayUseCpu) ctx.metric("cpuRate", this.#shareOfUses(this.#cpuComputed), { step });
    if (this.#opened().twins) ctx.metric("lowPrecisionRate", this.#lowPrecisionRate(), { step });
    this.#progress(`prompt ${this.#prompts.length} of ${this.#config.prompts.length}`);
    const nowMs = ctx.nowMs();
    if (nowMs - this.#textSentMs < TEXT_EVERY_MS) return;
    this.#textSentMs = nowMs;
    ctx.series("output", this.#textSeries(this.#texts));
  }

  #tellStep(record: StepRecord): void {
    const stepsMax = this.#config.prompts.length * this.#config.maxTokens;
    const together = Math.ceil(stepsMax / METRIC_POINTS_MAX);
    this.#untold.push(record);
    if (this.#untold.length < together) return;
    const mean = (of: (record: StepRecord) => number) =>
      this.#untold.reduce((sum, r) => sum + of(r), 0) / this.#untold.length;
    const axes = { step: this.#stepMs.length - 1 };
    this.#ctx.metric(
      "tokenMs",
      mean((r) => r.stepMs),
      axes,
    );
    this.#ctx.metric(
      "bytesPerToken",
      mean((r) => r.bytes),
      axes,
    );
    this.#ctx.metric(
      "stallMsPerToken",
      mean((r) => r.stallMs),
      axes,
    );
    this.#untold = [];
  }

  /**
   * Draws the pictures, keeps the timeline as a file too, and returns the summary.
   * @param lossy  what low precision cost, where there was any
   */
  async finish(result: SessionResult, lossy: LossyNumbers | undefined): Promise<Summary> {
    const ctx = this.#ctx;
    const facts = this.#opened();
    const hitRateByLayer = facts.layerCount > 0 ? this.#misses.map((_, l) => this.#hitRate(l)) : [];
    hitRateByLayer.forEach((rate, layer) => {
      ctx.metric("hitRate", rate, { layer });
    });
    ctx.series("output", this.#textSeries(result.texts));
    ctx.series("tokenTime", this.#timeSeries());
    ctx.series(
      "tokenParts",
      tokenPartsSeries(
        this.#stepMs.map((stepMs, i) => ({
          stepMs,
          stallMs: Math.min(stepMs, this.#stallMs[i] ?? 0),
          transferMs: this.#transferMs[i] ?? 0,
        })),
      ),
    );
    ctx.series("expertRouted", heatmapOf(result.routed, "times chosen"));
    ctx.series("expertLoads", heatmapOf(result.loads, "times loaded"));
    const timeline = this.#timelineSeries(result);
    ctx.series("pipeline", timeline);
    ctx.series("layers", layersSeries(result, hitRateByLayer));
    if (timeline.events.length > 0) {
      const bytes = new TextEncoder().encode(traceEvents(timeline));
      await ctx.artifact("pipeline.trace.json", bytes, "application/json");
    }
    this.#progress("done", true);
    return {
      ...this.#numbers(result),
      ...this.#lost(lossy),
      hitRateByLayer,
      ...this.#record(facts, result),
    };
  }

  /** What low precision cost; a run without says that it cost nothing. */
  #lost(lossy: LossyNumbers | undefined): Summary {
    if (!lossy) return { lossy: false };
    const { comparedSteps, maxKl, meanKl } = lossy;
    const lowPrecisionRate = this.#stepMs.length > 0 ? this.#lowPrecisionRate() : null;
    // A run whose first token is its last has no decode step to compare.
    if (comparedSteps === 0) return { lossy: true, lowPrecisionRate, comparedSteps };
    const argmaxAgreement = 100 * lossy.argmaxAgreement;
    this.#ctx.metric("meanKl", meanKl);
    this.#ctx.metric("maxKl", maxKl);
    this.#ctx.metric("argmaxAgreement", argmaxAgreement);
    this.#ctx.log(
      `lossy: over ${comparedSteps} decode steps KL(full || lossy) is ${meanKl.toPrecision(3)} ` +
        `nats on average; ${argmaxAgreement.toFixed(1)} % agree on the likeliest token`,
    );
    return { lossy: true, lowPrecisionRate, meanKl, maxKl, argmaxAgreement, comparedSteps };
  }

  /** Headline numbers, under the names of their metrics. */
  #numbers(result: SessionResult): Summary {
    const steps = this.#stepMs.length;
    const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
    const promptTokens = sum(this.#prompts.map((p) => p.promptTokens));
    const prefillMs = sum(this.#prompts.map((p) => p.prefillMs));
    return {
      decodeTokensPerSecond: steps > 0 ? perSecond(steps, this.#decodeMs) : null,
      prefillTokensPerSecond: perSecond(promptTokens, prefillMs),
      timeToFirstTokenMs: sum(this.#prompts.map((p) => p.firstTokenMs)) / this.#prompts.length,
      tokenMs: steps > 0 ? this.#decodeMs / steps : null,
      hitRate: steps > 0 ? this.#hitRate() : null,
      lateHitRate: steps > 0 ? this.#lateHitRate() : null,
      ...(this.#mayUseCpu && { cpuRate: steps > 0 ? this.#shareOfUses(this.#cpuComputed) : null }),
      bytesPerToken: steps > 0 ? this.#bytes / steps : null,
      stallMsPerToken: steps > 0 ? sum(this.#stallMs) / steps : null,
      expertMemoryMiB: this.#opened().budget.usedBytes / MIB,
      openMs: this.#opened().openMs,
      decodeSteps: steps,
      promptTokens,
      prefillBytes: sum(this.#prompts.map((p) => p.prefillBytes)),
      fetchedBytes: result.fetchedBytes,
      deliveredBytes: result.deliveredBytes,
      ...scheduleOf(result.counts),
    };
  }

  #record(facts: SessionFacts, result: SessionResult): Summary {
    return {
      text: result.texts,
      tokens: result.tokens,
      budget: { ...facts.budget, slotsByLayer: [...facts.budget.slotsByLayer] },
      readMode: facts.readMode ?? null,
      ...(facts.twins && { twins: { ...facts.twins } }),
      model: {
        name: facts.modelName,
        architecture: facts.architecture,
        layerCount: facts.layerCount,
        expertCount: facts.expertCount,
        expertUsedCount: facts.expertUsedCount,
      },
    };
  }

  /**
   * Percent of the decode steps' expert uses that found the expert in memory; NaN before the first.
   */
  #hitRate(layer?: number): number {
    const facts = this.#opened();
    const layers = layer === undefined ? facts.layerCount : 1;
    const uses = this.#stepMs.length * layers * facts.expertUsedCount;
    const misses =
      layer === undefined ? this.#misses.reduce((a, b) => a + b, 0) : (this.#misses[layer] ?? 0);
    return (100 * (uses - misses)) / uses;
  }

  #lateHitRate(): number {
    return this.#shareOfUses(this.#lateHits);
  }

  #lowPrecisionRate(): number {
    return this.#shareOfUses(this.#lowPrecision);
  }

  get #mayUseCpu(): boolean {
    return this.#config.cpuExperts.threads > 0;
  }

  /** In percent. */
  #shareOfUses(count: number): number {
    const { layerCount, expertUsedCount } = this.#opened();
    return (100 * count) / (this.#stepMs.length * layerCount * expertUsedCount);
  }

  #progress(label: string, isDone = false): void {
    // A prompt may end early, at the model's end token; the last call then says so.
    const total = this.#config.prompts.length * this.#config.maxTokens;
    const done = isDone ? total : Math.min(total, this.#stepMs.length + this.#prompts.length);
    this.#ctx.progress(done, total, label);
  }

  #opened(): SessionFacts {
    assert(this.#facts !== undefined, "a session tells its facts first");
    return this.#facts;
  }

  #textSeries(texts: readonly string[]): SeriesInput {
    return {
      kind: "text",
      blocks: texts.map((text, i) => ({
        title: `Prompt ${i + 1}`,
        prompt: this.#config.prompts[i] ?? "",
        text,
      })),
    };
  }

  #timeSeries(): SeriesInput {
    const stride = Math.max(1, Math.ceil(this.#stepMs.length / LINE_POINTS_MAX));
    const every = (values: number[]) => values.filter((_, i) => i % stride === 0);
    const x = every(this.#stepMs.map((_, i) => i));
    return {
      kind: "line",
      xLabel: stride === 1 ? "token" : `token (every ${stride}th)`,
      yLabel: "time per token",
      yUnit: "ms",
      x,
      curves: [
        { name: "total", y: every(this.#stepMs) },
        { name: "stall", y: every(this.#stallMs) },
      ],
    };
  }

  #timelineSeries(result: SessionResult): TimelineSeries {
    const { lanes, events } = result.timeline;
    const zero = events.reduce((min, e) => Math.min(min, e.startMs), Number.POSITIVE_INFINITY);
    const recorded = Math.min(this.#config.timelineTokens, this.#stepMs.length);
    return {
      kind: "timeline",
      lanes,
      events: events.map((e) => ({ ...e, startMs: e.startMs - zero, endMs: e.endMs - zero })),
      note: `the first ${recorded} of ${this.#stepMs.length} decode steps`,
    };
  }
}

/** Counts of the whole session, prompts included; the time stalled is another metric's. */
function scheduleOf({ stallMs: _, ...counts }: SessionResult["counts"]): Summary {
  return { schedule: counts };
}

function perSecond(count: number, ms: number): number {
  return ms > 0 ? (count * 1e3) / ms : Number.NaN;
}
