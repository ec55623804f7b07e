import { ThroughputSession } from "../src/throughput/throughput-session.ts";
import { tokensPerSecond, bubbleShare, bytesPerToken } from "../src/throughput/schedule-numbers.ts";
const s = new ThroughputSession({ modelPath: "/tmp/tpm/tiny-story-moe.q8_0.gguf", text: undefined, schedules: (process.argv[2] ?? "no-overlap,simple-pipeline,zig-zag,hot-prefetch,klotski,aggressive,klotski-q").split(",") as any, promptTokens: 128, outputTokens: 32, sequencesPerBatch: 4, batches: 0, batchesMax: 10, loneBatches: 1, budgetBytes: 64*104448, memoryBytes: 2**31, link: { bandwidthMBps: 400, latencyUs: 0, queueDepth: 1 }, hotCount: 0, twin: "q4_0", twinFolder: "/tmp/tpm", threads: 1, seed: 1, compareSequences: 4, nearTieGap: 0.5, timelineSteps: 0 }, new Int32Array(new SharedArrayBuffer(4)), (m) => {
  if (m.type === "planned") console.log(JSON.stringify(m.record, null, 0));
  if (m.type === "schedule") { const r = m.record; console.log(r.schedule, "n", r.batches, tokensPerSecond(r).toFixed(1), "tok/s", "prefill", r.prefillMs.toFixed(0), "decode", r.decodeMs.toFixed(0), "bubbles", bubbleShare(r).toFixed(1), "kB/tok", (bytesPerToken(r)/1e3).toFixed(0), "hot", JSON.stringify(r.hot && [r.hot.used/r.hot.predicted, r.hot.hot/r.hot.predicted]), "decode att/exp/wait", r.decode.attentionMs.toFixed(0), r.decode.expertsMs.toFixed(0), r.decode.waitMs.toFixed(0), "prefill", r.prefill.attentionMs.toFixed(0), r.prefill.expertsMs.toFixed(0), r.prefill.waitMs.toFixed(0)); }
});
const r = s.run();
const d = (x: any) => x && ({ klMean: x.klMean, klMax: x.klMax, same: x.sameChoices, of: x.positions, near: x.nearTies.length, other: x.otherDifferences });
console.log(d(r.difference), d(r.quantisedDifference)); s.close();
console.log(JSON.stringify(r.texts[0]).slice(0, 200));
