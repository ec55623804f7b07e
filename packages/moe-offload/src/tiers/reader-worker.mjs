// The entry of a reading thread. Node runs it without a loader, so it registers one before it loads
// TypeScript: the one for `require`, since the one for `import` needs a thread of its own, which
// doubles the time a lane takes to open.
import { createRequire } from "node:module";
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { register } from "tsx/cjs/api";

try {
  register();
  createRequire(import.meta.url)("./reader-main.ts");
} catch (error) {
  // The thread that waits for this one hears of nothing but shared memory. The module that knows
  // its layout could not be loaded, so the numbers of the entries come along with the job.
  Atomics.wait(workerData.signal, 0, 0);
  const { entries, memory } = receiveMessageOnPort(parentPort).message;
  const text = new TextEncoder().encode(JSON.stringify({ kind: "broken", reason: String(error) }));
  memory.failure.set(text.subarray(0, memory.failure.length));
  Atomics.store(memory.control, entries.failureBytes, text.length);
  Atomics.store(memory.control, entries.failed, 2);
  Atomics.notify(memory.control, entries.opened);
  Atomics.add(memory.control, entries.gone, 1);
  Atomics.notify(memory.control, entries.gone);
}
