import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { isAlive } from "../../packages/db/src/embedded.mjs";

/**
 * Runs `work` while no other process holds the lock file. A lock whose holder has died is taken
 * over.
 */
export async function withLock(file, work) {
  while (!take(file)) await new Promise((resolve) => setTimeout(resolve, 200));
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

/**
 * Holds the lock file until this process ends.
 *
 * @returns the process that holds it instead; undefined when it is ours
 */
export function holdLock(file) {
  for (let attempt = 0; attempt < 10; attempt++) {
    if (take(file)) {
      process.on("exit", () => rmSync(file, { force: true }));
      return undefined;
    }
    const holder = holderOf(file);
    if (holder !== undefined) return holder;
  }
  return undefined;
}

/** Links a finished file into place, so that a lock always names its holder. */
function take(file) {
  mkdirSync(path.dirname(file), { recursive: true });
  const mine = `${file}.${process.pid}`;
  writeFileSync(mine, `${process.pid} ${beginOf(process.pid)}`);
  try {
    linkSync(mine, file);
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
    if (holderOf(file) === undefined) rmSync(file, { force: true });
    return false;
  } finally {
    rmSync(mine);
  }
}

/** The living process that a lock file names; undefined when it has died. */
function holderOf(file) {
  let text;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (error.code === "ENOENT") return undefined; // Its holder is just done.
    throw error;
  }
  const [pid, begin] = text.split(" ");
  return isAlive(Number(pid)) && beginOf(pid) === begin ? Number(pid) : undefined;
}

/** When a process began, in the kernel's ticks: tells it from a later one of the same number. */
function beginOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return "unknown"; // No /proc on this system, or the process has gone.
  }
}
