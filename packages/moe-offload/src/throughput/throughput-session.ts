import { MoeError } from "../errors.ts";
import { badModel } from "../model/description.ts";
import { makePrompts } from "../prefill/prompt-text.ts";
import { STREAM_LANES } from "../prefill/stream-recorder.ts";
import { StreamSession, type StreamSessionOptions } from "../prefill/stream-session.ts";
import { Tokenizer } from "../tokenizer/tokenizer.ts";
import { CorrelationTable } from "./correlation-table.ts";
import { GroupEngine } from "./group-engine.ts";
import { measurePlan } from "./measured-plan.ts";
import type {
  DifferenceRecord,
  PlanRecord,
  ScheduleRecord,
  ThroughputMessage,
  ThroughputOptions,
  ThroughputResult,
} from "./messages.ts";
import { OneByOne } from "./one-by-one.ts";
import { type Kept, runSchedule } from "./schedule-run.ts";
import { SCHEDULES, type Schedule, type ScheduleName } from "./schedules.ts";

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
    const engine = this.#openEngine(SCHEDULES.klotski, 1);
    try {
      return measurePlan({
        session: this.#session,
        engine,
        prompts: this.#prompts(this.#options.sequencesPerBatch),
        hotCount: this.#hotCount,
        options: this.#options,
        sizes: this.#sizes(),
      });
    } finally {
      engine.close();
    }
  }

  #generate(schedule: Schedule, prompts: readonly number[][]): ScheduleRecord {
    const batches = prompts.length / this.#options.sequencesPerBatch;
    const groupSize = schedule.sharesLoads ? batches : 1;
    const session = this.#sessionOf(schedule);
    const table = new CorrelationTable(session.machine.model);
    const engine = this.#openEngine(schedule, groupSize, table);
    const lasting = this.#options.schedules.filter((name) => !SCHEDULES[name].usesTwins);
    const isKept = schedule.usesTwins || schedule.name === lasting.at(-1);
    try {
      return runSchedule({
        session,
        engine,
        table,
        schedule,
        prompts,
        groupSize,
        options: this.#options,
        kept: isKept ? (schedule.usesTwins ? this.#keptQuantised : this.#kept) : undefined,
        onStep: (step) => this.#send({ type: "steps", steps: [step] }),
      });
    } finally {
      engine.close();
    }
  }

  #compare(prompts: readonly number[][], { logits, tokens }: Kept): DifferenceRecord | undefined {
    if (logits.length === 0) return undefined;
    const { device, modelPath, nearTieGap, threads } = this.#options;
    const oneByOne = new OneByOne({
      modelPath,
      device,
      threads,
      cancelFlag: this.#cancelFlag,
      ...this.#sizes(),
    });
    try {
      return oneByOne.compare(prompts, tokens, logits, nearTieGap, () => this.#throwIfCancelled());
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

function openSession(
  options: ThroughputOptions,
  cancelFlag: Int32Array,
  twins?: StreamSessionOptions["twins"],
): StreamSession {
  return new StreamSession({
    modelPath: options.modelPath,
    device: options.device,
    host: options.host,
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
