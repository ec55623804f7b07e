import { spawn } from "node:child_process";
import path from "node:path";
import { log } from "./log.mjs";
import { killGroup } from "./process.mjs";

const BACK_OFF_MS_FIRST = 250;
const BACK_OFF_MS_MAX = 15_000;
/** A part that ran this long starts again with the first back-off. */
const STABLE_MS = 60_000;
const STOP_GRACE_MS = 10_000;
const EXIT_WITH_PARENT = path.join(import.meta.dirname, "exit-with-parent.mjs");
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Keeps parts running: one that dies is started again, later each time it dies soon. */
export class Supervisor {
  #parts = new Map();
  #servers = [];
  #stopping = false;

  /** Starts a Node process that ends with this one. */
  start(name, { args, cwd, env, onMessage }) {
    const part = { name, backOffMs: BACK_OFF_MS_FIRST, child: undefined };
    this.#parts.set(name, part);
    const launch = () => {
      const startedAt = Date.now();
      // Its own process group: a terminal's Ctrl-C reaches only this script, which stops all in
      // order.
      part.child = spawn(process.execPath, ["--import", EXIT_WITH_PARENT, ...args], {
        cwd,
        env: { ...process.env, ...env, FMLAB_SUPERVISED: String(process.pid) },
        stdio: ["ignore", "inherit", "inherit", "ipc"],
        detached: true,
      });
      log(`${name} runs as process ${part.child.pid}`);
      part.child.on("message", (message) => onMessage?.(message));
      part.child.on("error", (error) => log(`${name}: ${error.message}`));
      part.child.on("exit", async (code, signal) => {
        if (this.#stopping) return;
        if (Date.now() - startedAt > STABLE_MS) part.backOffMs = BACK_OFF_MS_FIRST;
        log(`${name} ended (${signal ?? `code ${code}`}); again in ${part.backOffMs} ms`);
        await sleep(part.backOffMs);
        part.backOffMs = Math.min(part.backOffMs * 2, BACK_OFF_MS_MAX);
        if (!this.#stopping) launch();
      });
    };
    launch();
  }

  /** Watches a server that is not a child, e.g. one left by an earlier start. */
  watch(name, server, restart) {
    const entry = { server };
    log(`${name} runs as process ${server.pid}`);
    this.#servers.push(entry);
    const loop = async () => {
      let backOffMs = BACK_OFF_MS_FIRST;
      while (!this.#stopping) {
        await sleep(250);
        if (this.#stopping || entry.server.isUp()) continue;
        log(`${name} ended; starting it again`);
        try {
          entry.server = await restart();
          backOffMs = BACK_OFF_MS_FIRST;
          log(`${name} runs as process ${entry.server.pid}`);
        } catch (error) {
          log(`${name}: ${error.message}; again in ${backOffMs} ms`);
          await sleep(backOffMs);
          backOffMs = Math.min(backOffMs * 2, BACK_OFF_MS_MAX);
        }
      }
    };
    loop();
  }

  /** Resolves when `url` answers 200. @throws after `timeoutMs`, or when the part keeps dying */
  async healthy(name, url, timeoutMs) {
    const end = Date.now() + timeoutMs;
    while (Date.now() < end) {
      const response = await fetch(url).catch(() => undefined);
      if (response?.ok) return;
      if ((this.#parts.get(name)?.backOffMs ?? 0) > 4_000) break;
      await sleep(50);
    }
    throw new Error(`${name} does not answer at ${url}; see its output above`);
  }

  /**
   * Stops the parts, the last started first, since it still has to tell the earlier ones what it
   * leaves behind; then the servers they write to.
   */
  async stop() {
    this.#stopping = true;
    for (const part of [...this.#parts.values()].reverse()) await end(part.child);
    for (const { server } of this.#servers) await server.stop();
  }
}

/** SIGTERM to the process; after the grace time SIGKILL to its whole group. */
async function end(child) {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  const timer = setTimeout(() => killGroup(child.pid), STOP_GRACE_MS);
  await gone;
  clearTimeout(timer);
  killGroup(child.pid);
}
