import { openGguf } from "@fmlab/ggml";
import { createPrng } from "@fmlab/sim";
import { StreamSession } from "../src/prefill/stream-session.ts";
import { WavePrefill } from "../src/prefill/wave-prefill.ts";
import { BENCH_MODEL, openBenchModel, openResident } from "./model.ts";

const T = Number(process.argv[2] ?? 256),
  share = Number(process.argv[3] ?? 0.25),
  mbps = Number(process.argv[4] ?? 400);
const file = openBenchModel();
const engine = openResident(file, { threads: 1 });
const random = createPrng(1, "p");
const tokens = Array.from({ length: T }, () => random.nextInt(8192));
const s = new StreamSession({
  modelPath: BENCH_MODEL,
  budgetBytes: share * 256 * 104448,
  link: { bandwidthMBps: mbps, latencyUs: 0, queueDepth: 1 },
  threads: 1,
  contextTokensMax: 512,
  batchTokensMax: T,
});
const w = new WavePrefill(s.machine, s.stream, { nowMs: s.nowMs });
w.onSegment = s.recorder.onSegment;
w.waves.onWave = s.recorder.onWave;
for (let r = 0; r < 6; r++) {
  engine.reset();
  let t0 = performance.now();
  engine.prefill(tokens);
  const a = performance.now() - t0;
  const b0 = s.stream.counts.bytes;
  const needed0 = s.stream.counts.needed,
    found0 = s.stream.counts.found;
  s.machine.context.enter(tokens, 0, T, 0);
  t0 = performance.now();
  w.evaluate({ tokenCount: T, position: 0, wantsLogits: true });
  const b = performance.now() - t0;
  const bytes = s.stream.counts.bytes - b0;
  const io = bytes / mbps / 1e3;
  console.log(
    `resident ${a.toFixed(1)} waves ${b.toFixed(1)} io ${io.toFixed(1)} bound ratio ${(Math.max(a, io) / b).toFixed(3)} needed ${s.stream.counts.needed - needed0} found ${s.stream.counts.found - found0}`,
    JSON.stringify(s.recorder.take(), (k, v) => (typeof v === "number" ? Number(v.toFixed(1)) : v)),
  );
}
w.close();
s.close();
engine.close();
file.close();
