import type { Db } from "@fmlab/db";
import type { AnyExperiment } from "@fmlab/experiment";
import type { Auth } from "./auth.ts";
import type { EventHub } from "./events/event-hub.ts";
import type { Logger } from "./logger.ts";

/** What one server process works with; every procedure gets it by its context. */
export interface Platform {
  db: Db;
  auth: Auth;
  hub: EventHub;
  experiments: ReadonlyMap<string, AnyExperiment>;
  log: Logger;
  /** The demo user may sign in without a password. Only when FMLAB_LOCAL is 1. */
  localMode: boolean;
  /** Key of the demo user's password. */
  secret: string;
  version: string;
}
