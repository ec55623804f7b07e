import { createDb, type Db } from "@fmlab/db";
import type { AnyExperiment } from "@fmlab/experiment";
import { createAuth } from "./auth.ts";
import { EventHub } from "./events/event-hub.ts";
import { type Logger, logToStderr } from "./logger.ts";
import type { Platform } from "./platform.ts";

/** The version that agents compare with. */
export const FMLAB_VERSION = "0.1.0";

/** What a server process is made of. */
export interface PlatformOptions {
  databaseUrl: string;
  /** At least 32 characters. */
  secret: string;
  /** Where browsers reach the server. */
  url: string;
  localMode: boolean;
  experiments: ReadonlyMap<string, AnyExperiment>;
  log?: Logger;
  db?: Db;
  /** Limits sign-in attempts an address; default: on, unless in local mode. */
  rateLimit?: boolean;
}

/** Puts a server process together. Opens no connection before it is used. */
export function createPlatform(options: PlatformOptions): Platform {
  const { databaseUrl, secret, url, localMode, experiments } = options;
  if (secret.length < 32) {
    throw new Error("AUTH_SECRET must have at least 32 characters: set a long random text");
  }
  const db = options.db ?? createDb(databaseUrl);
  const log = options.log ?? logToStderr;
  return {
    db,
    auth: createAuth(db, { secret, url, rateLimit: options.rateLimit ?? !localMode, log }),
    hub: new EventHub(databaseUrl, log),
    experiments,
    log,
    localMode,
    secret,
    version: FMLAB_VERSION,
  };
}
