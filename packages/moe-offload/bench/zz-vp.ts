import { runVirtual } from "../test/prefill/virtual-pass.ts";
for (const T of [256, 480]) for (const slots of [64,128,192]) for (const mbps of [100,200]) {
  const transferMs = 104448/mbps/1e3;
  const r = runVirtual({ schedule: "aggressive", slotCount: slots, transferMs, attentionMs: T*0.025, expertMs: 0.01, rowMs: 0.006, units: 1, tokensPerUnit: T, passes: 8, isRepeated: false });
  const rat = r.slice(2).map(x=>Math.max(x.computeMs, x.missed*transferMs)/x.elapsedMs);
  const x = r.at(-1)!;
  console.log(T, slots, mbps, "compute", x.computeMs.toFixed(1), "io", (x.missed*transferMs).toFixed(1), "elapsed", x.elapsedMs.toFixed(1), "missed", x.missed, "loads", x.loads - r.at(-2)!.loads, "link", (x.linkMs-r.at(-2)!.linkMs).toFixed(1), rat.map(v=>v.toFixed(3)).join(" "));
}
