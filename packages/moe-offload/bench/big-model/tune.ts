/**
 * Finds the dials of `design.ts`: the shares of popularity, topic and token in the routers' logits
 * with which LRU misses as often as on the shipped model, whatever the share of experts in memory.
 * Routing is drawn here as the first layer of the generated model would have it, without weights;
 * what the file gives is measured by `moe-mmap`.
 *
 *     node --import tsx bench/big-model/tune.ts
 */
import { createPrng } from "@fmlab/sim";
import { rankExperts } from "../../src/predictors/rank-experts.ts";
import type { Trace } from "../../src/traces/trace.ts";
import { DIALS, QWEN15_MOE, type RoutingDials, restOf } from "./design.ts";
import { describeLikeness, differenceOf, shippedLikeness } from "./likeness.ts";
import { Language } from "./text.ts";

const SEED = 7;
const TOKENS = 4_000;
const LAYERS = 2;

/** A trace as routers of random rows give it on a text of the language. */
function drawTrace(dials: RoutingDials): Trace {
  const { experts: expertCount, used, vocabulary } = QWEN15_MOE;
  const prng = createPrng(SEED, "tune");
  const language = new Language(dials, vocabulary);
  const text = language.write(prng.fork("text"), TOKENS);
  const normals = (name: string, rows: number) => {
    const stream = prng.fork(name);
    return Float32Array.from({ length: rows * expertCount * LAYERS }, () => stream.normal());
  };
  const [ofAll, ofGroup, ofToken] = [
    normals("all", 1),
    normals("group", dials.topics + 1),
    normals("token", vocabulary),
  ];
  const rest = restOf(dials);
  const experts = new Uint16Array(TOKENS * LAYERS * used);
  const logits = new Float32Array(expertCount);
  const ranked = new Int32Array(used);
  text.forEach((token, t) => {
    for (let layer = 0; layer < LAYERS; layer++) {
      const at = (row: number) => (row * LAYERS + layer) * expertCount;
      for (let e = 0; e < expertCount; e++) {
        logits[e] =
          dials.common * (ofAll[at(0) + e] ?? 0) +
          dials.topic * (ofGroup[at(language.groupOf(token)) + e] ?? 0) +
          rest * (ofToken[at(token) + e] ?? 0);
      }
      rankExperts(logits, used, ranked);
      experts.set(ranked, (t * LAYERS + layer) * used);
    }
  });
  return {
    shape: {
      layerCount: LAYERS,
      expertCount,
      expertUsedCount: used,
      moeLayers: Array.from({ length: LAYERS }, (_, layer) => layer),
    },
    tokenCount: TOKENS,
    positions: Uint32Array.from({ length: TOKENS }, (_, t) => t),
    experts,
    aheadDepth: 0,
    provenance: { model: "drawn", text: "drawn", origin: "generated", isSimulated: true, date: "" },
  };
}

const target = shippedLikeness();
process.stdout.write(`shipped model: ${JSON.stringify(target)}\n`);
const found: { line: string; difference: number }[] = [];
for (const stay of [0.9, 0.95, 0.98]) {
  for (const common of [0.1, 0.15, 0.2, 0.25]) {
    for (const topic of [0, 0.1, 0.2, 0.3]) {
      const dials = { ...DIALS, common, topic, stay };
      const likeness = describeLikeness(drawTrace(dials));
      const difference = differenceOf(likeness, target);
      const numbers = likeness.lruMiss.map((miss) => miss.toFixed(3)).join(" ");
      const line =
        `stay ${stay}, common ${common}, topic ${topic}: ${numbers}, entropy ` +
        `${Math.min(...likeness.entropy).toFixed(3)}, previous ${likeness.previousReuse.toFixed(3)}`;
      found.push({ line, difference });
    }
  }
}
found.sort((a, b) => a.difference - b.difference);
for (const { line, difference } of found) {
  process.stdout.write(`${difference.toFixed(3)}  ${line}\n`);
}
