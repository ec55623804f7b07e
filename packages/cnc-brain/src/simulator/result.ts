import type { MigrationCounts } from "./migrator.ts";
import type { FunctionSpec, NodeSpec } from "./specs.ts";

/** One node's use from the end of the warm-up to the end of the run. */
export interface NodeResult {
  spec: NodeSpec;
  /** Core-milliseconds held by requests. */
  coreMs: number;
  memoryMbMs: number;
  /** Of containers without work. */
  idleMemoryMbMs: number;
  upMs: number;
}

/** What a simulation leaves: one column entry for each request of the trace. */
export interface SimulationResult {
  functions: readonly FunctionSpec[];
  nodes: NodeResult[];
  /** From arrival to the answer at the user; NaN for requests that never finished. */
  responseMs: Float64Array;
  /** From arrival until its code ran: network, queue and cold start; NaN as above. */
  delayMs: Float64Array;
  /** Where it ran at last; -1 if nowhere. */
  node: Int32Array;
  /** 1: it waited for a container to start. */
  isCold: Uint8Array;
  functionIndex: Uint32Array;
  /** First request that counts (those before warm the system up). */
  countedFrom: number;
  /** Virtual time from the end of the warm-up to the last answer. */
  measuredMs: number;
  /** Requests lost with a node more often than allowed. */
  lostCount: number;
  /** Failures under running or queued requests. */
  retryCount: number;
  decisionCount: number;
  /** Real time of sampled decisions, microseconds; empty without a clock. */
  decisionUs: number[];
  containers: { created: number; prewarmed: number; evicted: number; expired: number };
  /** Where a migrator was given. */
  migrations?: MigrationCounts;
  snapshots: { taken: number; bytes: number; ageMsMean: number };
}
