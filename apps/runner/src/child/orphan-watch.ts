import { Worker } from "node:worker_threads";

const WATCH = `
const { workerData } = require("node:worker_threads");
setInterval(() => {
  if (process.ppid !== workerData.parent) {
    try { process.kill(-process.pid, "SIGKILL"); } catch { process.kill(process.pid, "SIGKILL"); }
  }
}, 500);
`;

/**
 * Ends this process group when its parent is gone. The closed channel tells it at once, and a
 * thread of its own looks every half second, for an experiment that keeps the main thread busy.
 */
export function dieWithParent(): void {
  process.on("disconnect", () => process.exit(1));
  const watch = new Worker(WATCH, { eval: true, workerData: { parent: process.ppid } });
  watch.unref();
}
