import { setTimeout as delay } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { quantile } from "@fmlab/stats";

/** How late timers of this thread fire, while a worker decodes. */
export interface LagReport {
  readonly samples: number;
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly tokensPerSecond: number;
}

const TIMER_MS = 5;

/**
 * Decodes in a worker thread and measures meanwhile how long past their time this thread's timers
 * fire: what a server or an interface would feel.
 */
export async function measureLag(options: {
  modelPath: string;
  threads: number;
  tokens: number;
}): Promise<LagReport> {
  const worker = new Worker(new URL("./decode-loop.mjs", import.meta.url), {
    workerData: options,
    execArgv: [],
  });
  const lags: number[] = [];
  const state = { isDecoding: false, isOver: false, seconds: 0 };
  const finished = new Promise<void>((resolve, reject) => {
    worker.on("message", (message: { type: "started" } | { type: "done"; seconds: number }) => {
      state.isDecoding = message.type === "started";
      if (message.type === "done") state.seconds = message.seconds;
    });
    worker.on("error", reject);
    worker.on("exit", (code) => {
      state.isOver = true;
      if (code === 0) resolve();
      else reject(new Error(`the decoding thread ended with ${code}`));
    });
  });
  const sampling = (async () => {
    while (!state.isOver) {
      const start = performance.now();
      await delay(TIMER_MS);
      if (state.isDecoding) lags.push(Math.max(0, performance.now() - start - TIMER_MS));
    }
  })();
  await Promise.all([finished, sampling]);
  return {
    samples: lags.length,
    medianMs: quantile(lags, 0.5),
    p99Ms: quantile(lags, 0.99),
    tokensPerSecond: options.tokens / state.seconds,
  };
}
