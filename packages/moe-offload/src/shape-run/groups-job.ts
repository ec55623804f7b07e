import type { TimelineSeries } from "@fmlab/experiment";
import type { DeviceName } from "../engine/device/device-names.ts";
import type { ShapeName } from "../shapes/shape-names.ts";
import type { ShapeType } from "../shapes/shape-types.ts";
import type { ScheduleRecord } from "../throughput/messages.ts";
import type { ScheduleName } from "../throughput/schedules.ts";

/** What is run: groups of sequences over one shape, under several schedules at equal memory. */
export interface GroupsJob {
  readonly shape: ShapeName;
  /** Layers that are kept; 0: all. */
  readonly layerCount: number;
  /** Divides widths; 1: true sizes. */
  readonly widthDivisor: number;
  readonly storage: ShapeType;
  readonly device: DeviceName;
  /** Experts that fast memory holds, staging included. */
  readonly slots: number;
  readonly schedules: readonly ScheduleName[];
  /** Sequences of a batch (B), batches of a group (n), and of schedules without groups. */
  readonly sequencesPerBatch: number;
  readonly batches: number;
  readonly loneBatches: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** Texts whose routing differs; further sequences repeat them. 0: as many as sequences. */
  readonly texts: number;
  /** Tokens of other texts that the table of correlations is built from. */
  readonly trainingTokens: number;
  /** Experts prefetched as hot ones (K); 0: as many as a token uses. */
  readonly hotCount: number;
  /** From host memory to slots, MB/s; 0: as fast as the machine is. */
  readonly linkMBps: number;
  /** How often every schedule runs; in another order each time. */
  readonly repeats: number;
  /** Decode steps in the timeline. */
  readonly timelineSteps: number;
  readonly threads: number;
  readonly seed: number;
}

/** Memory where it is computed, bytes. */
export interface GroupsMemory {
  /** Of expert slots, of keys and values of all sequences, of activations between graphs. */
  readonly slotBytes: number;
  readonly cacheBytes: number;
  readonly activationBytes: number;
  /** Most that was taken of a card, everything included, as it said between steps. */
  readonly peakBytes: number | undefined;
  readonly totalBytes: number | undefined;
}

/** One schedule in one repetition. */
export interface GroupsRecord extends ScheduleRecord {
  readonly repeat: number;
  /** Time in which graphs were computed. */
  readonly busyMs: number;
  /** Time of each decode step of each group. */
  readonly stepMs: readonly number[];
}

/** What a run gives. */
export interface GroupsResult {
  readonly label: { readonly title: string; readonly notes: readonly string[] };
  readonly deviceName: string;
  readonly expertBytes: number;
  readonly expertTotal: number;
  readonly slotCount: number;
  readonly texts: number;
  /** Between host memory and slots, experts waiting for nothing, MB/s. */
  readonly measuredLinkMBps: number;
  readonly memory: GroupsMemory;
  readonly records: readonly GroupsRecord[];
  /** First decode steps of the schedule `shown`. */
  readonly shown: ScheduleName;
  readonly timeline: Pick<TimelineSeries, "lanes" | "events">;
}

/** From the compute thread, while it works. */
export type GroupsMessage =
  | { type: "log"; message: string }
  | { type: "progress"; done: number; total: number; label: string }
  | { type: "record"; record: GroupsRecord };
