import { Worker } from "node:worker_threads";
import { GgmlLibrary } from "@fmlab/ggml";
import { expect, it } from "vitest";
import { SHIPPED_MODEL } from "../shipped-model.ts";
import { openEngine } from "./open.ts";

const LOOP = new URL("../../bench/decode-loop.mjs", import.meta.url);

/** Decodes in a thread of its own and resolves with its exit code and whether it was done. */
function decodeInWorker(tokens: number): Promise<{ code: number; isDone: boolean }> {
  const workerData = { modelPath: SHIPPED_MODEL, threads: 1, tokens };
  const worker = new Worker(LOOP, { workerData, execArgv: [] });
  let isDone = false;
  return new Promise((resolve, reject) => {
    worker.on("message", (message: { type: string }) => {
      if (message.type === "done") isDone = true;
    });
    worker.on("error", reject);
    worker.on("exit", (code) => resolve({ code, isDone }));
  });
}

it("engines in two worker threads and in this one decode side by side", async () => {
  // Before threads that start together: ggml's registry is not guarded while it loads.
  GgmlLibrary.load();
  const workers = [decodeInWorker(60), decodeInWorker(60)];
  const engine = openEngine();
  for (let i = 0; i < 20; i++) engine.decode(i);
  expect(await Promise.all(workers)).toEqual([
    { code: 0, isDone: true },
    { code: 0, isDone: true },
  ]);
  engine.close();
});
