import type { Scheduler } from "../scheduling/scheduler.ts";
import type { TwinWindow } from "./digital-twin.ts";

/** A version of a learned policy: it does not change any more, and makes schedulers of itself. */
export interface PolicyVersion {
  readonly name: string;
  /** A scheduler in its first state. */
  create(): Scheduler;
}

/** Learns a policy from what happened lately. Anything that makes schedulers can be one. */
export interface PolicyLearner {
  readonly name: string;
  /** The version learned so far. */
  version(): PolicyVersion;
  /**
   * Goes on learning, on a window of requests in a twin of the cluster. A lesson that is a promise
   * goes on beside the gateway: until it is kept, the version before it stands.
   */
  learn(window: TwinWindow): void | Promise<void>;
}
