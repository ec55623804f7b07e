
import { runVirtual } from "../test/prefill/virtual-pass.ts";
for (const mbps of [100, 400, 1600]) for (const slots of [64,128]) for (const [schedule, n] of [["no-overlap",1],["simple-pipeline",1],["zig-zag",10],["hot-prefetch",10],["klotski",10],["aggressive",10]] as const) {
  const transferMs = 104448/mbps/1e3;
  const r = runVirtual({ schedule, slotCount: slots, transferMs, attentionMs: 0.15, expertMs: 0.01, rowMs: 0.008, units: n, tokensPerUnit: 4, passes: 10, isRepeated: true });
  const x = r.at(-1)!; const loads = x.loads-r.at(-2)!.loads;
  console.log(mbps, slots, schedule, "tok/s", (4e3*n/x.elapsedMs).toFixed(0), "compute", x.computeMs.toFixed(1), "elapsed", x.elapsedMs.toFixed(1), "loads", loads, "link", (x.linkMs-r.at(-2)!.linkMs).toFixed(1), "bound ratio", (Math.max(x.computeMs, x.missed*transferMs)/x.elapsedMs).toFixed(3));
}
