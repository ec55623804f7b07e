import { statSync } from "node:fs";
import { LoopDevice } from "./loop-device.ts";
import { createPrng } from "@fmlab/sim";
import { openGguf } from "@fmlab/ggml";
import { DIALS, QWEN15_MOE } from "./design.ts";
import { Language } from "./text.ts";
import { obtainModel } from "./write-model.ts";
import { runChild } from "./run-child.ts";
import { MemoryGroup } from "./memory-group.ts";
import { dropFromPageCache } from "./page-cache.ts";
import { differenceOf, publishedEntropy, shippedLikeness } from "./likeness.ts";
const m = obtainModel("/tmp/bigmoe",{shape:QWEN15_MOE,dials:DIALS,seed:1});
const lang = new Language(DIALS, QWEN15_MOE.vocabulary);
const prng = createPrng(5,"text");
if (process.argv[2]==="study") {
  const ours = runChild<any>("./study-child.ts",{modelPath:m.path,calibrationTokens:Number(process.argv[3]??512),threads:2,sequences:[0,1].map(i=>[...lang.write(prng.fork(i),256)])});
  console.log(JSON.stringify(ours));
  const s = shippedLikeness(); console.log(differenceOf(ours.likeness,s), s.lruMiss.map(x=>x.toFixed(3)).join(), ours.likeness.lruMiss.map((x:number)=>x.toFixed(3)).join(), JSON.stringify(publishedEntropy()));
} else {
  let loop; if (process.env.RA) { loop=LoopDevice.open(m.path,Number(process.env.RA)); if (typeof loop==="string") throw new Error(loop); process.env.DEV=loop.path; }
 const limit = 1165e6;
  const g = MemoryGroup.create(`fmlab-moe-${process.pid}`, limit);
  if (typeof g === "string") throw new Error(g);
  try {
    for (const engine of (process.argv[2]??"").split(",")) for (const threads of (process.env.TH??'1,2').split(',').map(Number)) {
    g.empty();
    const cold = dropFromPageCache(process.env.DEV??m.path, statSync(m.path).size);
    const text=[...lang.write(prng.fork("x"),40)];
    const r = runChild<any>("./decode-child.ts",{modelPath:process.env.DEV??m.path,engine,threads,vocabulary:4096,warmUp:text.slice(0,8),tokens:text.slice(8,8+Number(process.argv[4]??16)),logitsOf:1,budgetBytes:Number(process.argv[3])*1e6,queueDepth:Number(process.env.QD??4)},{group:g});
    delete r.logits; console.log(engine,threads,cold,"peak",g.peakBytes/1e6,JSON.stringify(r)); }
  } finally { g.remove(); loop?.close(); }
}
