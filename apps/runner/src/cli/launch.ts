import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { RunnerError, usageError } from "../errors.ts";
import { experimentOf, loadExperiments } from "../experiments.ts";
import type { ServerConnection } from "../server-connection.ts";
import { BackOff } from "../sink/back-off.ts";
import {
  type ConfigOptions,
  changesFields,
  parseSeeds,
  parseWhole,
  readConfig,
} from "./config-input.ts";
import { EXIT, exitCodeOf } from "./exit-code.ts";
import { type ConnectionOptions, connect, findProject } from "./server-client.ts";
import { columns, out, outJson } from "./terminal.ts";
import { waitForRuns } from "./wait-for-runs.ts";

const SAME_REQUEST_TRIES = 5;

/** Flags of `fmlab launch`, as commander hands them over. */
export interface LaunchOptions extends ConnectionOptions, ConfigOptions {
  seeds: string;
  repeats: string;
  priority: string;
  timeLimit: string;
  project?: string;
  wait: boolean;
  json: boolean;
}

interface Launched {
  launchId: string;
  runs: { id: string; seed: number }[];
}

/**
 * `fmlab launch`: queues runs; with `--wait` ends when they have, with the first bad one's exit
 * code.
 */
export async function launchCommand(kind: string, options: LaunchOptions): Promise<number> {
  const definition = experimentOf(await loadExperiments(), kind);
  const config = readConfig(definition, options);
  if (!/^-?\d+$/.test(options.priority)) throw usageError("--priority must be a whole number");
  const connection = connect(options);
  const project = await findProject(connection, options.project);
  const launched = await createOnce(connection, {
    projectId: project.id,
    kind,
    ...(options.preset === undefined || changesFields(options) ? {} : { preset: options.preset }),
    config,
    seeds: parseSeeds(options.seeds),
    repeats: parseWhole("--repeats", options.repeats, 1),
    priority: Number(options.priority),
    timeLimitSec: parseWhole("--time-limit", options.timeLimit, 1),
    idempotencyKey: randomUUID(),
  });
  if (!options.wait) {
    if (options.json) outJson(launched);
    else for (const run of launched.runs) out(`${run.id}  seed ${run.seed}`);
    return EXIT.success;
  }
  const ended = await waitForRuns(
    connection,
    launched.runs.map((run) => run.id),
    options.json,
  );
  if (options.json) outJson({ ...launched, runs: ended });
  else out(columns(ended.map((run) => [run.id, `seed ${run.seed}`, run.state, run.failure])));
  const bad = ended.find((run) => run.state !== "SUCCEEDED");
  return bad === undefined ? EXIT.success : exitCodeOf(bad.state);
}

/** The same key is sent again when no answer came: nothing is launched twice. */
async function createOnce(connection: ServerConnection, input: unknown): Promise<Launched> {
  const backOff = new BackOff();
  for (let tries = 1; ; tries++) {
    try {
      return await connection.mutate<Launched>("run.create", input);
    } catch (error) {
      const isAway = error instanceof RunnerError && error.failure.code === "SERVER_AWAY";
      if (!isAway || tries === SAME_REQUEST_TRIES) throw error;
      await sleep(backOff.nextMs());
    }
  }
}
