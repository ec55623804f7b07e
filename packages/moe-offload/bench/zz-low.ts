import { parseConfig, presetConfig } from "@fmlab/experiment";
import { decode } from "/work/main/packages/moe-offload/src/definitions/decode.ts";
import { MemoryContext } from "/work/main/packages/moe-offload/test/decode/memory-context.ts";
const { run } = await decode.load();
const base = presetConfig(decode, "fate");
const low = presetConfig(decode, "fate-low");
const lp = (type, upgrade) => ({ ...low, lowPrecision: { type, on: "miss", upgrade } });
const lru = { ...presetConfig(decode, "lru-quarter") };
for (const [name, config] of Object.entries({ fate: base, q4: lp("q4_0", false), q4up: lp("q4_0", true), q2up: lp("q2_k", true),
  lru, lruLow: { ...lru, lowPrecision: { type: "q4_0", on: "miss", upgrade: false } }, lruUp: { ...lru, lowPrecision: { type: "q4_0", on: "miss", upgrade: true } } })) {
  const s = await run(new MemoryContext(1, process.argv[2]), parseConfig(decode, config));
  console.log(name, JSON.stringify({ tps: s.decodeTokensPerSecond, hit: s.hitRate, late: s.lateHitRate, bytes: s.bytesPerToken, stall: s.stallMsPerToken, low: s.lowPrecisionRate, kl: s.meanKl, max: s.maxKl, agree: s.argmaxAgreement, mem: s.expertMemoryMiB, sch: s.schedule }));
}
