import type { Failure, Fidelity, MachineFacts, Summary } from "@fmlab/experiment";
import type { RunEvent } from "../context/run-event.ts";

/** What a child needs to run one experiment. */
export interface ChildJob {
  kind: string;
  /** The version the launcher saw; null takes whatever this machine has (`exec`). */
  definitionVersion: number | null;
  config: Record<string, unknown>;
  seed: number;
  machine: MachineFacts;
  modelsDir: string;
  dataDir: string | undefined;
  scratchDir: string;
  /** Outside the scratch folder: artifacts wait there for the sink. */
  stagingDir: string;
  hashCacheFile: string;
  /** `exec` on one's own machine may read any path. */
  anyPath: boolean;
}

/** An input file of a run, for its reproduction record. */
export interface InputFact {
  path: string;
  sizeBytes: number;
  sha256: string;
}

/** Why the signal of a run is aborted. */
export type AbortCause = "cancelled" | "timed-out";

/** Messages from the agent to the process of an attempt. */
export type ToChild = { type: "run"; job: ChildJob } | { type: "abort"; cause: AbortCause };

/** What a finished run came to, as the child sees it. */
export interface ChildResult {
  /** `failure` null means that `run` returned. */
  failure: Failure | null;
  summary: Summary | null;
  inputs: InputFact[];
}

/** Messages from the process of an attempt to the agent. */
export type FromChild =
  | { type: "ready"; definitions: Record<string, number> }
  /** The child cannot run anything: the registry or a module of the user's is broken. */
  | { type: "broken"; message: string }
  /** Checks are done, inputs are hashed, `run` is being called. */
  | {
      type: "started";
      definitionVersion: number;
      config: Record<string, unknown>;
      fidelity: Fidelity;
      inputs: InputFact[];
    }
  | { type: "events"; events: RunEvent[] }
  | { type: "done"; result: ChildResult };
