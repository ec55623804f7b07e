import os from "node:os";
import type { Device } from "@fmlab/ggml";
import type { DeviceName } from "../../src/engine/device/device-names.ts";
import type { GroupsRecord } from "../../src/shape-run/groups-job.ts";
import { GroupsSession } from "../../src/shape-run/groups-session.ts";
import { SHAPE_MODELS } from "../../src/shapes/shape-model.ts";
import type { ShapeType } from "../../src/shapes/shape-types.ts";
import type { ScheduleName } from "../../src/throughput/schedules.ts";
import type { AccelerateWorkload } from "./accelerate-rival.ts";
import { type GroupRound, runLlamaGroup } from "./llama-group.ts";
import { putShapeOnDisk } from "./shape-on-disk.ts";

/** Batches of a group, as in Klotski's main experiment. */
const GROUP_BATCHES = 15;
/** Sequences of a group whose routing differs; further ones repeat theirs. */
const TEXTS = 32;
const TRAINING_TOKENS = 4096;
const SCHEDULES: ScheduleName[] = ["simple-pipeline", "klotski", "aggressive"];

/** Sequences that were generated together, by round. */
export interface GroupResult {
  readonly name: string;
  readonly routing: string;
  readonly sequences: number;
  readonly rounds: readonly GroupRound[];
}

/** What is the same for all. */
export interface GroupStage {
  readonly workload: AccelerateWorkload;
  readonly storage: ShapeType;
  readonly device: DeviceName;
  readonly card: Device;
  readonly threads: number;
  readonly seed: number;
}

/** llama.cpp with the experts of so many layers in host memory, where it computes small batches. */
export function llamaGroupOf(stage: GroupStage, cpuLayers: number): GroupResult {
  const { card, seed, storage, threads, workload } = stage;
  const { batch, layers, model, prompt, rounds, tokens } = workload;
  const shape = putShapeOnDisk(model, os.tmpdir(), { layers, storage });
  try {
    const { vocabularySize } = SHAPE_MODELS[model];
    const { path } = shape;
    const measured = runLlamaGroup({
      ...{ path, card, vocabularySize, cpuLayers, threads, sequences: batch },
      ...{ prompt, tokens, rounds, seed },
    });
    const name = `llama.cpp, experts of ${cpuLayers} layers in host memory`;
    return { name, routing: "by random weights", sequences: batch, rounds: measured };
  } finally {
    shape.remove();
  }
}

/** Groups of batches on this engine, and one batch at a time. */
export function ownGroupsOf(stage: GroupStage, slots: number): GroupResult[] {
  const { batch, layers, model, prompt, rounds, tokens } = stage.workload;
  const session = new GroupsSession(
    {
      ...{ shape: model, layerCount: layers, widthDivisor: 1, storage: stage.storage, slots },
      ...{ device: stage.device, schedules: SCHEDULES, sequencesPerBatch: batch },
      ...{ batches: GROUP_BATCHES, loneBatches: 1, promptTokens: prompt, outputTokens: tokens },
      ...{ texts: TEXTS, trainingTokens: TRAINING_TOKENS, hotCount: 0, linkMBps: 0 },
      ...{ repeats: rounds, timelineSteps: 0, threads: stage.threads, seed: stage.seed },
    },
    new Int32Array(new SharedArrayBuffer(4)),
    () => {},
  );
  try {
    const { records } = session.run();
    return SCHEDULES.map((schedule) => groupResult(schedule, records));
  } finally {
    session.close();
  }
}

function groupResult(schedule: ScheduleName, all: readonly GroupsRecord[]): GroupResult {
  const records = all.filter((one) => one.schedule === schedule);
  return {
    name: `fmlab, ${schedule}`,
    routing: "by trace",
    sequences: records[0]?.sequences ?? 0,
    rounds: records.map(({ decodeMs, prefillMs }) => ({
      prefillSeconds: prefillMs / 1000,
      decodeSeconds: decodeMs / 1000,
    })),
  };
}
