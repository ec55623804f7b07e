import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { RunnerError, usageError } from "../errors.ts";
import { experimentOf, loadExperiments } from "../experiments.ts";
import type { ServerConnection } from "../server-connection.ts";
import { BackOff } from "../sink/back-off.ts";
import { type ConfigOptions, parseSeeds, parseWhole, readConfig } from "./config-input.ts";
import { EXIT, exitCodeOf } from "./exit-code.ts";
import {
  type ConnectionOptions,
  connect,
  findProject,
  type RunDetail,
  TERMINAL_STATES,
} from "./server-client.ts";
import { columns, note, out, outJson } from "./terminal.ts";

/** How often a waiting command looks again. */
const POLL_MS = 1_000;
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
    ...(options.preset === undefined || options.set.length > 0 ? {} : { preset: options.preset }),
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
  const ended = await waitForAll(
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

interface Ended {
  id: string;
  seed: number;
  state: string;
  failure: string;
}

/** Waits until every run has ended; a server that is away is waited for. */
async function waitForAll(
  connection: ServerConnection,
  ids: string[],
  isQuiet: boolean,
): Promise<Ended[]> {
  const ended = new Map<string, Ended>();
  let told = "";
  while (ended.size < ids.length) {
    for (const id of ids.filter((one) => !ended.has(one))) {
      const run = await present(() => connection.query<RunDetail>("run.get", { runId: id }));
      if (run === undefined) break;
      const now = `${id} ${run.state} ${Math.round(run.progress.done)}/${run.progress.total}`;
      if (!isQuiet && ids.length === 1 && now !== told) note(now);
      told = now;
      if (!TERMINAL_STATES.includes(run.state)) continue;
      const failure = run.failureMessage ?? run.failureCode ?? "";
      ended.set(id, { id, seed: run.seed, state: run.state, failure });
      if (!isQuiet && ids.length > 1) note(`${ended.size}/${ids.length} ${id} ${run.state}`);
    }
    if (ended.size < ids.length) await sleep(POLL_MS);
  }
  return ids.flatMap((id) => ended.get(id) ?? []);
}

/** Undefined while the server is away. */
export async function present<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof RunnerError && error.failure.code === "SERVER_AWAY") return undefined;
    throw error;
  }
}
