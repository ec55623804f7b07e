import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { MemoryGroup } from "./memory-group.ts";

/** Enters the group before the program is loaded, so that all its memory counts. */
const ENTER = 'echo $$ > "$1" && shift && exec "$@"';

/** The child that is running. */
let running: ChildProcess | undefined;

/** Ends the running child at once, if there is one, and returns when it is gone. */
export async function endChild(): Promise<void> {
  const child = running;
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("close", resolve));
  child.kill("SIGKILL");
  await gone;
}

/**
 * Runs a script of this folder in a process of its own, in a memory group if one is given.
 *
 * @param job  handed over as JSON
 * @returns what it printed last, as JSON
 */
export async function runChild<T>(
  script: string,
  job: unknown,
  { group, nodeOptions = [] }: { group?: MemoryGroup; nodeOptions?: string[] } = {},
): Promise<T> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const command = [process.execPath, ...nodeOptions, "--import", "tsx", path, JSON.stringify(job)];
  const [program = "", ...args] = group
    ? ["/bin/sh", "-c", ENTER, "sh", group.entrance, ...command]
    : command;
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  running = child;
  let [output, complaints] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaints = (complaints + text).slice(-2000);
  });
  const [status, signal] = await new Promise<[number | null, string | null]>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, name) => resolve([code, name]));
  });
  if (status === 0) return JSON.parse(output.trim().split("\n").at(-1) ?? "") as T;
  const why = signal === "SIGKILL" ? "SIGKILL: it needed more memory than the limit" : status;
  throw new Error(`${script} ended with ${why}\n${complaints}`);
}
