import { median } from "@fmlab/stats";
import { MoeError } from "../errors.ts";
import { badModel } from "../model/description.ts";
import { makePrompts } from "../prefill/prompt-text.ts";
import { STREAM_LANES } from "../prefill/stream-recorder.ts";
import { StreamSession, type StreamSessionOptions } from "../prefill/stream-session.ts";
import { Tokenizer } from "../tokenizer/tokenizer.ts";
import { CorrelationTable } from "./correlation-table.ts";
import { GroupEngine } from "./group-engine.ts";
import { planGroup, type StageTimes } from "./group-plan.ts";
import type {
  DifferenceRecord,
  PlanRecord,
  ScheduleRecord,
  StepRecord,
  ThroughputMessage,
  ThroughputOptions,
  ThroughputResult,
} from "./messages.ts";
import { OneByOne } from "./one-by-one.ts";
import { routingStatistics } from "./routing-statistics.ts";
import { SCHEDULES, type Schedule, type ScheduleName } from "./schedules.ts";
import { timeLayer } from "./stage-timing.ts";

/** Decode steps of the run that the planner's times are taken from. */
const TIMED_STEPS = 4;

/**
 * Generates texts for many sequences under several schedules at equal memory, on one model opened
 * once. Synchronous; belongs on a compute thread.
 */
export class ThroughputSession {
  readonly #options: ThroughputOptions;
  readonly #session: StreamSession;
  readonly #tokenizer: Tokenizer;
  readonly #cancelFlag: Int32Array;
  readonly #send: (message: ThroughputMessage) => void;
  readonly #hotCount: number;
  /** With twins of the experts; opened when a schedule asks for it. */
  #quantised: StreamSession | undefined;
  /** What the last schedule wrote that changes nothing, and the one with quantised experts. */
  #kept: Kept = { tokens: [], logits: [] };
  #keptQuantised: Kept = { tokens: [], logits: [] };

  /**
   * @throws GgufError | MoeError | GgmlError | EngineError for a file, budget, machine or schedule
   *         that does not do; ExperimentError `CANCELLED`
   */
  constructor(
    options: ThroughputOptions,
    cancelFlag: Int32Array,
    send: (message: ThroughputMessage) => void,
  ) {
    this.#options = options;
    this.#cancelFlag = cancelFlag;
    this.#send = send;
    this.#session = openSession(options, cancelFlag);
    try {
      const { file, machine } = this.#session;
      this.#tokenizer = new Tokenizer(file);
      if (this.#tokenizer.vocabularySize !== machine.model.vocabularySize) {
        throw badModel(file, "its tokenizer and its embedding differ in their number of tokens");
      }
      const { contextLength, expertUsedCount } = machine.model;
      checkContext(options, contextLength);
      this.#hotCount = options.hotCount || expertUsedCount;
    } catch (error) {
      this.#session.close();
      throw error;
    }
  }

  /** Plans the group, runs every schedule, and compares. @throws as `GroupEngine` */
  run(): ThroughputResult {
    this.#send({ type: "opened", facts: this.#session.facts });
    const planned = this.#plan();
    this.#send({ type: "planned", record: planned });
    const { loneBatches, schedules, sequencesPerBatch } = this.#options;
    const batchesOf = (name: ScheduleName) =>
      SCHEDULES[name].sharesLoads ? planned.batches : Math.min(loneBatches, planned.batches);
    const count = Math.max(...schedules.map(batchesOf)) * sequencesPerBatch;
    const prompts = this.#prompts(count);
    for (const name of schedules) {
      const own = prompts.slice(0, batchesOf(name) * sequencesPerBatch);
      this.#send({ type: "schedule", record: this.#generate(SCHEDULES[name], own) });
    }
    const last = SCHEDULES[schedules.at(-1) ?? "klotski"];
    const generated = (last.usesTwins ? this.#keptQuantised : this.#kept).tokens;
    return {
      prompts: prompts.map((prompt) => this.#tokenizer.decode(prompt, false)),
      texts: generated.map((tokens) => this.#tokenizer.decode(tokens, false)),
      timeline: { lanes: STREAM_LANES, events: this.#sessionOf(last).recorder.events },
      difference: this.#compare(prompts, this.#kept),
      quantisedDifference: this.#compare(prompts, this.#keptQuantised),
    };
  }

  /** Frees memory, threads and file handles. */
  close(): void {
    this.#quantised?.close();
    this.#session.close();
  }

  #sessionOf(schedule: Schedule): StreamSession {
    if (!schedule.usesTwins) return this.#session;
    const { twin: kind, twinFolder: otherFolder } = this.#options;
    this.#quantised ??= openSession(this.#options, this.#cancelFlag, { kind, otherFolder });
    return this.#quantised;
  }

  #prompts(count: number): number[][] {
    const { promptTokens, seed, text } = this.#options;
    return makePrompts(this.#tokenizer, count, promptTokens, { text, seed });
  }

  /** A short run of one batch gives the times and the statistics of routing. */
  #plan(): PlanRecord {
    const { batches, batchesMax, memoryBytes, outputTokens, sequencesPerBatch } = this.#options;
    const { facts, machine, recorder } = this.#session;
    const unitMs: number[] = [];
    const loadMs: number[] = [];
    const engine = this.#openEngine(SCHEDULES.klotski, 1);
    const { stream } = this.#session;
    const onLoad = stream.onLoad;
    stream.onLoad = (load) => {
      loadMs.push(load.endMs - load.startMs);
      onLoad?.(load);
    };
    let uses: Float64Array;
    try {
      engine.prefill(this.#prompts(sequencesPerBatch));
      engine.pass.onUnit = (startMs, endMs, { layer }) => {
        if (layer >= 0) unitMs.push(endMs - startMs);
      };
      for (let step = 1; step <= Math.min(TIMED_STEPS, outputTokens - 1); step++) {
        this.#throwIfCancelled();
        engine.step();
      }
      uses = engine.pass.uses.slice();
    } finally {
      engine.close();
      recorder.take();
    }
    const compute = timeLayer(machine, sequencesPerBatch, this.#session.nowMs);
    const expertTransferNs = Math.round(median(loadMs.length > 0 ? loadMs : [0]) * 1e6);
    const unitNs = Math.round(median(unitMs.length > 0 ? unitMs : [0]) * 1e6);
    const times: StageTimes = {
      ...compute,
      // A unit's graph holds attention, router and shared expert.
      attentionNs: Math.max(1, unitNs - compute.gateNs),
      // Routers and attention blocks stay in memory.
      gateTransferNs: 0,
      attentionTransferNs: 0,
      expertTransferNs,
    };
    const { expertUsedCount } = machine.model;
    const statistics = routingStatistics(machine.model, uses, this.#hotCount);
    const rowsPerBatch = sequencesPerBatch * expertUsedCount;
    const batchBytes = GroupEngine.batchBytes({ machine, ...this.#sizes() });
    const plan = planGroup({
      times,
      hotCount: this.#hotCount,
      rowsPerBatch,
      hotRowsPerBatch: Math.round(rowsPerBatch * statistics.hotShare),
      queued: (n) => Math.round(statistics.others(n * sequencesPerBatch)),
      fixedBytes: facts.slotBytes,
      batchBytes,
      memoryBytes,
      batchesMax,
    });
    if (batches > plan.batchesByMemory) throw tooMany(batches, plan.batchesByMemory);
    return { plan, times, hotCount: this.#hotCount, batches: batches || plan.batches, batchBytes };
  }

  #generate(schedule: Schedule, prompts: readonly number[][]): ScheduleRecord {
    const { outputTokens, sequencesPerBatch } = this.#options;
    const batches = prompts.length / sequencesPerBatch;
    const groupSize = schedule.sharesLoads ? batches : 1;
    const session = this.#sessionOf(schedule);
    const table = new CorrelationTable(session.machine.model);
    const engine = this.#openEngine(schedule, groupSize, table);
    const { nowMs, recorder } = session;
    recorder.take();
    const steps: StepRecord[] = [];
    const sums = { prefillMs: 0, decodeMs: 0, prefill: recorder.take(), decode: recorder.take() };
    const isRecorded = schedule.name === this.#options.schedules.at(-1);
    let before: ReturnType<CorrelationTable["accuracy"]>[] = [];
    const layers = session.machine.model.moeLayers;
    try {
      const size = groupSize * sequencesPerBatch;
      for (let first = 0; first < prompts.length; first += size) {
        const keep = this.#keeper(schedule, first);
        const startMs = nowMs();
        keep.tokens(engine.prefill(prompts.slice(first, first + size), keep.logits));
        const prefillEndMs = nowMs();
        sums.prefillMs += prefillEndMs - startMs;
        addTimes(sums.prefill, recorder.take());
        if (first === 0) before = layers.map((layer) => table.accuracy(layer));
        for (let step = 1; step < outputTokens; step++) {
          this.#throwIfCancelled();
          recorder.recordsTimeline =
            isRecorded && first === 0 && step <= this.#options.timelineSteps;
          const stepStartMs = nowMs();
          keep.tokens(engine.step(keep.logits));
          const stepMs = nowMs() - stepStartMs;
          const times = recorder.take();
          addTimes(sums.decode, times);
          sums.decodeMs += stepMs;
          const { bytes, waitMs } = times;
          steps.push({ schedule: schedule.name, step: steps.length, stepMs, bytes, waitMs });
          this.#send({ type: "steps", steps: steps.slice(-1) });
        }
        recorder.recordsTimeline = false;
      }
    } finally {
      engine.close();
    }
    const hot = layers.map((layer, rank) => differenceOf(table.accuracy(layer), before[rank]));
    return {
      schedule: schedule.name,
      batches,
      sequences: prompts.length,
      tokens: prompts.length * outputTokens,
      ...sums,
      hot:
        schedule.ahead === "hot"
          ? {
              predicted: hot.reduce((sum, one) => sum + one[0], 0),
              used: hot.reduce((sum, one) => sum + one[1], 0),
              hot: hot.reduce((sum, one) => sum + one[2], 0),
              byLayer: hot,
            }
          : undefined,
    };
  }

  /** Keeps tokens and logits by sequence, of a group that begins with sequence `first`. */
  #keeper(schedule: Schedule, first: number) {
    const { compareSequences, schedules } = this.#options;
    const lasting = schedules.filter((name) => !SCHEDULES[name].usesTwins);
    const isKept = schedule.usesTwins || schedule.name === lasting.at(-1);
    const kept = schedule.usesTwins ? this.#keptQuantised : this.#kept;
    return {
      tokens: (chosen: Int32Array) => {
        if (!isKept) return;
        chosen.forEach((token, index) => {
          at(kept.tokens, first + index).push(token);
        });
      },
      logits: (index: number, _step: number, row: Float32Array) => {
        const sequence = first + index;
        if (isKept && sequence < compareSequences) at(kept.logits, sequence).push(row.slice());
      },
    };
  }

  #compare(
    prompts: readonly number[][],
    { logits, tokens }: Kept,
  ): DifferenceRecord | undefined {
    if (logits.length === 0) return undefined;
    const { modelPath, nearTieGap, threads } = this.#options;
    const oneByOne = new OneByOne({
      modelPath,
      threads,
      cancelFlag: this.#cancelFlag,
      ...this.#sizes(),
    });
    try {
      return oneByOne.compare(prompts, tokens, logits, nearTieGap, () =>
        this.#throwIfCancelled(),
      );
    } finally {
      oneByOne.close();
    }
  }

  #openEngine(schedule: Schedule, batchCount: number, table?: CorrelationTable): GroupEngine {
    const session = this.#sessionOf(schedule);
    const { machine, recorder } = session;
    const engine = new GroupEngine({
      machine,
      stream: session.restart(schedule.loads === "chosen"),
      table: table ?? new CorrelationTable(machine.model),
      schedule,
      batchCount,
      hotCount: this.#hotCount,
      nowMs: session.nowMs,
      ...this.#sizes(),
    });
    engine.waves.onWave = recorder.onWave;
    engine.pass.onUnit = (startMs, endMs, { batch, layer }) => {
      this.#throwIfCancelled();
      recorder.onSegment(startMs, endMs, layer, batch);
    };
    return engine;
  }

  #sizes() {
    const { outputTokens, promptTokens, sequencesPerBatch } = this.#options;
    return {
      sequencesPerBatch,
      promptTokensMax: promptTokens,
      // The last chosen token is not evaluated.
      contextTokensMax: promptTokens + Math.max(0, outputTokens - 1),
    };
  }

  #throwIfCancelled(): void {
    this.#session.throwIfCancelled();
  }
}

/** What a schedule wrote: tokens by sequence, logits by compared sequence and step. */
interface Kept {
  readonly tokens: number[][];
  readonly logits: Float32Array[][];
}

/** The list of a sequence, made when it is not there yet. */
function at<T>(lists: T[][], sequence: number): T[] {
  const found = lists[sequence] ?? [];
  lists[sequence] = found;
  return found;
}

function openSession(
  options: ThroughputOptions,
  cancelFlag: Int32Array,
  twins?: StreamSessionOptions["twins"],
): StreamSession {
  return new StreamSession({
    modelPath: options.modelPath,
    budgetBytes: options.budgetBytes,
    link: options.link,
    threads: options.threads,
    contextTokensMax: options.promptTokens,
    batchTokensMax: options.promptTokens,
    cancelFlag,
    twins,
  });
}

function checkContext(options: ThroughputOptions, contextLength: number): void {
  const { outputTokens, promptTokens } = options;
  if (promptTokens + outputTokens - 1 <= contextLength) return;
  throw new MoeError(
    `prompts of ${promptTokens} tokens and ${outputTokens} more do not fit in the model's ` +
      `context of ${contextLength}. Lower promptTokens or outputTokens.`,
    { code: "CONTEXT_TOO_SMALL", promptTokens, maxTokens: outputTokens, contextLength },
  );
}

function tooMany(batches: number, batchesByMemory: number): MoeError {
  return new MoeError(
    `a group of ${batches} batches does not fit in memoryMiB; ${batchesByMemory} do. Lower ` +
      "batches, or raise memoryMiB.",
    {
      code: "BAD_SETTING",
      setting: "batches",
      value: batches,
      expected: `at most ${batchesByMemory} with this memory`,
    },
  );
}

function addTimes<T extends object>(sum: T, more: T): void {
  for (const [key, value] of Object.entries(more)) {
    const record = sum as Record<string, number>;
    record[key] = (record[key] ?? 0) + (value as number);
  }
}

type Accuracy = ReturnType<CorrelationTable["accuracy"]>;

function differenceOf(now: Accuracy, before: Accuracy | undefined): [number, number, number] {
  return [
    now.predicted - (before?.predicted ?? 0),
    now.used - (before?.used ?? 0),
    now.hot - (before?.hot ?? 0),
  ];
}
