import { z } from "zod";
import { usageError } from "../errors.ts";
import { machineFolders } from "../repository.ts";
import { findConnection, localConnection, ServerConnection } from "../server-connection.ts";

/** The flags that name a server; the environment fills what they leave open. */
export interface ConnectionOptions {
  url?: string;
  token?: string;
}

/** A project as `project.list` tells it. */
interface ProjectRow {
  id: string;
  name: string;
  organizationName: string;
}

/** The parts of a run that this command line shows. */
export interface RunRow {
  id: string;
  kind: string;
  preset: string | null;
  seed: number;
  state: string;
  failureCode: string | null;
  createdAt: Date | string;
  durationMs: number | null;
  attemptCount: number;
  progress: { done: number; total: number; label: string };
  machineName: string | null;
  metrics: Record<
    string,
    { value: number | null; min: number | null; max: number | null; n: number }
  >;
}

/** One run, as `run.get` of the server tells it. */
export interface RunDetail extends RunRow {
  projectId: string;
  config: Record<string, unknown>;
  fidelity: string;
  failureMessage: string | null;
  summary: Record<string, unknown> | null;
  attempts: { number: number; state: string; machineName: string | null }[];
  queue: { position: number; waitingFor: string | null } | null;
}

/** States in which a run will not change any more. */
export const TERMINAL_STATES: readonly string[] = ["SUCCEEDED", "FAILED", "CANCELLED", "TIMED_OUT"];

/** States of a run, in the order of its life. */
const RUN_STATES: readonly string[] = [
  "QUEUED",
  "CLAIMED",
  "RUNNING",
  "CANCELLING",
  ...TERMINAL_STATES,
];

/** States as a list with commas, in any case. @throws RunnerError `USAGE` naming what there is */
export function parseStates(text: string): string[] {
  const states = text.split(",").map((state) => state.trim().toUpperCase());
  const wrong = states.filter((state) => !RUN_STATES.includes(state));
  if (wrong.length === 0) return states;
  throw usageError(`--state ${wrong.join(",")} is no state; states are ${RUN_STATES.join(", ")}`);
}

/** A run's id as given on the command line. @throws RunnerError `USAGE` */
export function parseRunId(text: string): string {
  if (z.uuid().safeParse(text).success) return text;
  throw usageError(
    `"${text}" is no run id; expected one like 1f0c7b52-8f0e-4d5c-9d1c-3c1f7f3c9a10 ` +
      "(fmlab runs lists them)",
  );
}

/** A connection with the command line's token. */
export function connect(options: ConnectionOptions): ServerConnection {
  return new ServerConnection(findConnection(options, "cli", machineFolders().homeDir));
}

/**
 * The project a command works in: the one named, else the only one, else the local installation's.
 *
 * @throws RunnerError `USAGE` naming the projects there are
 */
export async function findProject(
  connection: ServerConnection,
  wanted: string | undefined,
): Promise<ProjectRow> {
  const projects = await connection.query<ProjectRow[]>("project.list", {});
  const name = wanted ?? localConnection(machineFolders().homeDir)?.projectId;
  const found = projects.filter((one) => one.id === name || one.name === name);
  const [first] = found.length > 0 ? found : wanted === undefined ? projects : [];
  const isClear = found.length === 1 || (wanted === undefined && projects.length === 1);
  if (first !== undefined && isClear) return first;
  const known = projects
    .map((one) => `${one.name} (${one.organizationName}, ${one.id})`)
    .join("; ");
  const told = wanted === undefined ? "give --project" : `there is no one project "${wanted}"`;
  throw usageError(`${told}; projects: ${known || "none"}`);
}
