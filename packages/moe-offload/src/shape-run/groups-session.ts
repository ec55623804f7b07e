import { ExperimentError } from "@fmlab/experiment";
import { GgmlLibrary } from "@fmlab/ggml";
import { createPrng } from "@fmlab/sim";
import { findDevice } from "../engine/device/find-device.ts";
import { MoeError } from "../errors.ts";
import { STREAM_LANES } from "../prefill/stream-recorder.ts";
import { openShape } from "../shapes/shape-file.ts";
import { shapeLabel } from "../shapes/shape-label.ts";
import { SHAPE_MODELS, type ShapeModel } from "../shapes/shape-model.ts";
import type { ShapeType } from "../shapes/shape-types.ts";
import { shrinkShape } from "../shapes/shrink.ts";
import { TraceRouting } from "../shapes/trace-routing.ts";
import type { CorrelationTable } from "../throughput/correlation-table.ts";
import { activationBytes } from "../throughput/group-batches.ts";
import { GroupEngine } from "../throughput/group-engine.ts";
import { contextBytes } from "../throughput/open-batch-context.ts";
import { runSchedule } from "../throughput/schedule-run.ts";
import { SCHEDULES, type Schedule, type ScheduleName } from "../throughput/schedules.ts";
import { BusyMeter } from "./busy-meter.ts";
import { CardMeter } from "./card-meter.ts";
import type { GroupsJob, GroupsMessage, GroupsRecord, GroupsResult } from "./groups-job.ts";
import { type GroupsTraces, groupsTraces, ReplayedGroups } from "./replayed-groups.ts";
import { ShapeStreams } from "./shape-streams.ts";

/** What Klotski(q) stores experts as. */
const QUANTISED: ShapeType = "Q4_0";
/** Tokens whose embeddings are entered; every vocabulary has more. */
const TOKENS = 30_000;
/** Decode steps that nothing is measured of, after the prompts of one batch. */
const WARMUP_STEPS = 2;

/**
 * Generates for groups of sequences over a published model's sizes with random content, routing
 * replayed from a trace, under several schedules at equal memory. Synchronous; belongs on a compute
 * thread.
 *
 * @see Klotski, ASPLOS 2025, arXiv 2502.06888, section 9: its workload and its ablation
 */
export class GroupsSession {
  readonly #job: GroupsJob;
  readonly #cancelFlag: Int32Array;
  readonly #send: (message: GroupsMessage) => void;
  readonly #shape: ShapeModel;
  readonly #meter: CardMeter;
  /** By type of the experts; opened when a schedule asks for it. */
  readonly #streams = new Map<ShapeType, ShapeStreams>();
  readonly #label: GroupsResult["label"];
  readonly #traces: GroupsTraces;

  /** @throws MoeError `BAD_SETTING` | `CONFLICTING_SETTINGS`, EngineError `NO_DEVICE` */
  constructor(job: GroupsJob, cancelFlag: Int32Array, send: (message: GroupsMessage) => void) {
    this.#job = job;
    this.#cancelFlag = cancelFlag;
    this.#send = send;
    checkJob(job);
    this.#meter = new CardMeter(findDevice(GgmlLibrary.load(), job.device));
    const model = SHAPE_MODELS[job.shape];
    const layerCount = job.layerCount || model.layerCount;
    const { widthDivisor } = job;
    const isWhole = layerCount === model.layerCount && widthDivisor === 1;
    this.#shape = isWhole ? model : shrinkShape(model, { layerCount, widthDivisor });
    this.#traces = groupsTraces(job.shape, {
      routing: routingOf(this.#shape),
      texts: textsOf(job),
      textTokens: contextTokens(job),
      trainingTokens: job.trainingTokens,
      seed: job.seed,
    });
    const file = openShape(this.#shape, this.#options(job.storage));
    const label = shapeLabel(file, this.#traces.measured);
    file.close();
    this.#label = { title: label?.title ?? this.#shape.name, notes: label?.notes ?? [] };
  }

  /** Runs every schedule as often as asked. @throws as `ShapeStreams` and `GroupEngine` */
  run(): GroupsResult {
    const { repeats, schedules } = this.#job;
    const streams = this.#streamsOf(this.#job.storage);
    const { layout, machine } = streams;
    const measuredLinkMBps = streams.measureLink();
    this.#send({ type: "log", message: `link: ${measuredLinkMBps.toFixed(0)} MB/s` });
    this.#send({ type: "progress", done: 0, total: 0, label: "warming up" });
    this.#warmUp();
    const records: GroupsRecord[] = [];
    const random = createPrng(this.#job.seed, "order");
    for (let repeat = 0; repeat < repeats; repeat++) {
      // The first time as listed, so that pictures of a single one are alike.
      const order = repeat === 0 ? schedules : random.shuffle([...schedules]);
      for (const name of order) {
        const [done, total] = [records.length, repeats * schedules.length];
        this.#send({ type: "progress", done, total, label: name });
        const record = this.#generate(SCHEDULES[name], repeat);
        records.push(record);
        this.#send({ type: "record", record });
      }
    }
    const { expertBytes, expertCount, moeLayers } = layout;
    const slotCount = machine.pool.slotCount;
    return {
      label: this.#label,
      deviceName: this.#meter.device.description,
      expertBytes,
      expertTotal: moeLayers.length * expertCount,
      slotCount,
      texts: textsOf(this.#job),
      measuredLinkMBps,
      memory: this.#memory(slotCount * expertBytes),
      records,
      shown: this.#shown,
      timeline: {
        lanes: STREAM_LANES,
        events: this.#streamsOfSchedule(SCHEDULES[this.#shown]).recorder.events,
      },
    };
  }

  /** Frees memory, threads and the shapes. */
  close(): void {
    for (const streams of this.#streams.values()) streams.close();
    this.#streams.clear();
  }

  /** The schedule whose timeline is drawn. */
  get #shown(): ScheduleName {
    const { schedules } = this.#job;
    return schedules.includes("klotski") ? "klotski" : (schedules.at(-1) ?? "klotski");
  }

  #options(experts: ShapeType) {
    const { seed, storage } = this.#job;
    return { storage: { experts, dense: storage }, seed };
  }

  #streamsOfSchedule(schedule: Schedule): ShapeStreams {
    return this.#streamsOf(schedule.usesTwins ? QUANTISED : this.#job.storage);
  }

  #streamsOf(experts: ShapeType): ShapeStreams {
    const found = this.#streams.get(experts);
    if (found) return found;
    const { device, linkMBps, promptTokens, slots, threads } = this.#job;
    this.#send({ type: "log", message: `filling host memory with experts in ${experts}` });
    const file = openShape(this.#shape, this.#options(experts));
    const own = this.#streams.get(this.#job.storage)?.layout.expertBytes;
    const streams = new ShapeStreams({
      file,
      device,
      // Equal memory: smaller experts, more slots.
      slotsOf: ({ expertBytes }) => Math.floor((slots * (own ?? expertBytes)) / expertBytes),
      threads,
      promptTokens,
      linkMBps,
      cancelFlag: this.#cancelFlag,
    });
    this.#streams.set(experts, streams);
    this.#meter.look();
    return streams;
  }

  /** Prompts of one batch and some steps: whatever is made at the first use is there. */
  #warmUp(): void {
    const schedule = SCHEDULES.klotski;
    const streams = this.#streamsOf(this.#job.storage);
    const unused = { table: this.#traces.newTable(), busy: new BusyMeter() };
    const engine = this.#openEngine(schedule, 1, streams, unused);
    try {
      engine.prefill(this.#prompts(this.#job.sequencesPerBatch));
      const steps = Math.min(WARMUP_STEPS, this.#job.outputTokens - 1);
      for (let step = 0; step < steps; step++) engine.step();
    } finally {
      engine.close();
    }
  }

  #generate(schedule: Schedule, repeat: number): GroupsRecord {
    const job = this.#job;
    const streams = this.#streamsOfSchedule(schedule);
    const groupSize = schedule.sharesLoads ? job.batches : 1;
    const batches = schedule.sharesLoads ? job.batches : job.loneBatches;
    const table = this.#traces.newTable();
    const busy = new BusyMeter();
    const engine = this.#openEngine(schedule, groupSize, streams, { table, busy });
    const stepMs: number[] = [];
    const { sequencesPerBatch, outputTokens } = job;
    const schedules = [this.#shown];
    const timelineSteps = repeat === 0 ? job.timelineSteps : 0;
    try {
      const record = runSchedule({
        session: {
          machine: streams.machine,
          nowMs: streams.nowMs,
          recorder: streams.recorder,
          throwIfCancelled: () => this.#throwIfCancelled(),
        },
        engine,
        table,
        schedule,
        prompts: this.#prompts(batches * sequencesPerBatch),
        groupSize,
        options: { compareSequences: 0, outputTokens, schedules, sequencesPerBatch, timelineSteps },
        kept: undefined,
        onStep: (step) => {
          stepMs.push(step.stepMs);
          this.#meter.look();
        },
      });
      return { ...record, repeat, stepMs, busyMs: busy.sumMs };
    } finally {
      engine.close();
    }
  }

  #openEngine(
    schedule: Schedule,
    batchCount: number,
    streams: ShapeStreams,
    { busy, table }: { busy: BusyMeter; table: CorrelationTable },
  ): GroupEngine {
    const { hotCount } = this.#job;
    const { layout, machine, nowMs, recorder } = streams;
    const engine = new GroupEngine({
      machine,
      stream: streams.restart(schedule.loads === "chosen"),
      table,
      schedule,
      batchCount,
      hotCount: hotCount || layout.expertUsedCount,
      nowMs,
      routing: new ReplayedGroups(new TraceRouting(this.#traces.measured, layout)),
      ...this.#sizes(),
    });
    engine.waves.onWave = (startMs, endMs, wave) => {
      busy.add(startMs, endMs);
      recorder.onWave(startMs, endMs, wave);
    };
    engine.pass.onUnit = (startMs, endMs, { batch, layer }) => {
      this.#throwIfCancelled();
      busy.add(startMs, endMs);
      recorder.onSegment(startMs, endMs, layer, batch);
    };
    this.#meter.look();
    return engine;
  }

  #prompts(count: number): number[][] {
    const { promptTokens } = this.#job;
    return Array.from({ length: count }, (_, sequence) =>
      Array.from(
        { length: promptTokens },
        (_, position) => 1 + ((sequence * 7919 + position * 104_729) % TOKENS),
      ),
    );
  }

  #sizes() {
    const { outputTokens, promptTokens, sequencesPerBatch } = this.#job;
    return {
      sequencesPerBatch,
      promptTokensMax: promptTokens,
      contextTokensMax: contextTokens({ outputTokens, promptTokens }),
    };
  }

  #memory(slotBytes: number): GroupsResult["memory"] {
    const { batches, sequencesPerBatch } = this.#job;
    const { machine } = this.#streamsOf(this.#job.storage);
    const { contextTokensMax } = this.#sizes();
    const ofBatch = contextBytes(machine, contextTokensMax, sequencesPerBatch);
    return {
      slotBytes,
      cacheBytes: batches * ofBatch,
      activationBytes: batches * activationBytes(machine, this.#sizes()),
      peakBytes: this.#meter.peakBytes,
      totalBytes: this.#meter.totalBytes,
    };
  }

  #throwIfCancelled(): void {
    if (Atomics.load(this.#cancelFlag, 0) === 0) return;
    throw new ExperimentError("the run was cancelled", { code: "CANCELLED" });
  }
}

/** Tokens of a sequence that are evaluated: the last one is chosen only. */
function contextTokens(job: Pick<GroupsJob, "outputTokens" | "promptTokens">): number {
  return job.promptTokens + Math.max(0, job.outputTokens - 1);
}

function textsOf({ batches, loneBatches, sequencesPerBatch, texts }: GroupsJob): number {
  const sequences = Math.max(batches, loneBatches) * sequencesPerBatch;
  return texts === 0 ? sequences : Math.min(texts, sequences);
}

function routingOf({ denseLead, expertCount, expertUsedCount, layerCount }: ShapeModel) {
  const moeLayers = Array.from({ length: layerCount - denseLead }, (_, i) => denseLead + i);
  return { expertCount, expertUsedCount, layerCount, moeLayers };
}

function checkJob({ schedules, storage }: GroupsJob): void {
  if (!schedules.includes("klotski-q") || storage !== QUANTISED) return;
  throw new MoeError(
    `klotski-q stores experts in ${QUANTISED}, as this shape does anyway. Choose a wider ` +
      "storage, or leave the schedule out.",
    { code: "CONFLICTING_SETTINGS", settings: ["schedules", "storage"] },
  );
}
