import type { ClusterView } from "./cluster-view.ts";

/** A long job at work, as who moves jobs sees it. */
export interface RunningJob {
  /** Its request in the trace. */
  readonly id: number;
  readonly functionIndex: number;
  readonly node: number;
  readonly site: number;
  readonly arrivalMs: number;
  /** Since when its code has run in this attempt. */
  readonly executeMs: number;
}

/**
 * Something that shall be elsewhere. A job takes its state along; a warm container has none worth
 * taking: a new one is started at `to`, and then the one at `from` ends (-1: only the start).
 */
export type Migration =
  | { readonly kind: "job"; readonly id: number; readonly to: number }
  | {
      readonly kind: "warm";
      readonly functionIndex: number;
      readonly from: number;
      readonly to: number;
      /** How long it is kept there unused. */
      readonly keepMs: number;
    };

/** Moves jobs and warm containers of a running cluster. */
export interface Migrator {
  /** Asked this often while requests arrive, and whenever a node failed or came back. */
  readonly everyMs: number;
  /** What shall move now. Moves that are not possible (any more) are left out, and counted. */
  plan(view: ClusterView, jobs: readonly RunningJob[]): readonly Migration[];
}

/** What moving did and cost. */
export interface MigrationCounts {
  /** Jobs that went on elsewhere, and containers started elsewhere. */
  jobs: number;
  containers: number;
  /** Memory of jobs that went over the network. */
  stateMb: number;
  /** Images that were fetched for moves. */
  pulls: number;
  /** Between a job's stop and its arrival, ms, summed over jobs. */
  stoppedMs: number;
  /** Moves that could not be made: the node, the memory or the job was gone. */
  refused: number;
}

/** Nothing moved. */
export const noMigrations = (): MigrationCounts => ({
  jobs: 0,
  containers: 0,
  stateMb: 0,
  pulls: 0,
  stoppedMs: 0,
  refused: 0,
});
