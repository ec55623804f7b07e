import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { MemoryGroup } from "./memory-group.ts";

/** Enters the group before the program is loaded, so that all its memory counts. */
const ENTER = 'echo $$ > "$1" && shift && exec "$@"';

/**
 * Runs a script of this folder in a process of its own, in a memory group if one is given.
 *
 * @param job  handed over as JSON
 * @returns what it printed, as JSON
 */
export function runChild<T>(
  script: string,
  job: unknown,
  { group, nodeOptions = [] }: { group?: MemoryGroup; nodeOptions?: string[] } = {},
): T {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const command = [process.execPath, ...nodeOptions, "--import", "tsx", path, JSON.stringify(job)];
  const [program = "", ...args] = group
    ? ["/bin/sh", "-c", ENTER, "sh", group.entrance, ...command]
    : command;
  const { signal, status, stderr, stdout } = spawnSync(program, args, {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  if (status === 0) return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as T;
  const why = signal === "SIGKILL" ? "killed: it needed more memory than the limit" : `${status}`;
  throw new Error(`${script} ended with ${why}\n${stderr.slice(-2000)}`);
}
