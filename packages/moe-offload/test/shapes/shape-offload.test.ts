import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { MoeEngine } from "../../src/engine/engine.ts";
import { EXPERT_PARTS } from "../../src/engine/interfaces.ts";
import { describeModel } from "../../src/model/description.ts";
import { expertLayout } from "../../src/model/expert-layout.ts";
import { OffloadSource } from "../../src/offload/offload-source.ts";
import { createControl } from "../../src/offload/prefetch-control.ts";
import { Scheduler } from "../../src/offload/scheduler.ts";
import { planSlots } from "../../src/offload/slot-table.ts";
import type { PolicyName } from "../../src/policies/names.ts";
import { POLICIES } from "../../src/policies/registry.ts";
import { PREDICTORS } from "../../src/predictors/registry.ts";
import { countHits } from "../../src/replay/hits.ts";
import { withDerivedAhead } from "../../src/shapes/derived-ahead.ts";
import { openShape } from "../../src/shapes/shape-file.ts";
import { SHAPE_MODELS } from "../../src/shapes/shape-model.ts";
import { shrinkShape } from "../../src/shapes/shrink.ts";
import { TraceRouting } from "../../src/shapes/trace-routing.ts";
import { TraceSource } from "../../src/shapes/trace-source.ts";
import type { Trace } from "../../src/traces/trace.ts";
import { RandomLane } from "../offload/random-lane.ts";
import { smallTrace } from "../traces/small-trace.ts";

const SLOTS = 26;
/** Tokens of a sequence of `smallTrace`. */
const SEQUENCE = 5;

const file = openShape(
  shrinkShape(SHAPE_MODELS["qwen1.5-moe-a2.7b"], {
    layerCount: 4,
    expertCount: 12,
    widthDivisor: 4,
    vocabularySize: 320,
    contextLength: 64,
  }),
);
const layout = expertLayout(file, describeModel(file));
const shape = {
  layerCount: layout.layerCount,
  expertCount: layout.expertCount,
  expertUsedCount: layout.expertUsedCount,
  moeLayers: layout.moeLayers,
};
const trace = smallTrace({ shape, tokens: 40, seed: 8, reuse: 0.6, aheadDepth: 1 });

/** Decodes a trace's routing with fewer slots than experts; what the scheduler counted. */
function decode(routed: Trace, policyName: PolicyName, width: number) {
  const policy = POLICIES[policyName];
  const allocation = policy.allocate(shape, SLOTS, width);
  if (typeof allocation === "number") throw new Error(`${policyName} needs ${allocation} slots`);
  const { plan } = planSlots(shape, allocation, () => 0);
  let scheduler: Scheduler | undefined;
  const options = { slotCount: plan.slotCount, threads: 1, aheadDepth: 1 };
  const engine = MoeEngine.open(file, options, (pool) => {
    const lane = new RandomLane(createPrng(1, "lane"), (key, slot) => {
      const [layer, expert] = [Math.floor(key / shape.expertCount), key % shape.expertCount];
      for (const part of EXPERT_PARTS) {
        file.read(layout.range(layer, expert, part).offset, pool.view(slot, part));
      }
    });
    scheduler = new Scheduler({
      shape,
      plan,
      policy: policy.create({ shape, allocation }),
      lane,
      ...(width > 0 && {
        predictor: PREDICTORS["cross-layer"].create({ shape }),
        control: createControl({ control: "fixed", width }, shape),
      }),
    });
    const keys = [...(policy.initial?.({ shape, allocation }) ?? [])];
    scheduler.place(keys).forEach((slot, i) => {
      lane.submit(keys[i] ?? 0, slot, "demand");
      lane.waitFor(slot);
    });
    const source = new OffloadSource(scheduler, { allResident: false, readyFirst: true });
    return new TraceSource(source, new TraceRouting(routed, shape));
  });
  for (let token = 0; token < routed.tokenCount; token++) {
    if (token % SEQUENCE === 0) engine.reset();
    engine.decode((token * 37) % 320);
  }
  engine.close();
  if (!scheduler) throw new Error("an engine asks for its source");
  return scheduler.counts;
}

describe("a shape that is decoded with a trace's routing and fewer slots than experts", () => {
  it.each(["lru", "lfu", "arc", "fate"] as const)(
    "hits under the policy %s as often as the replay of the trace says",
    (policyName) => {
      const counts = decode(trace, policyName, 0);
      const { hitRate } = countHits(trace, { policy: POLICIES[policyName], slotCount: SLOTS });
      expect(counts.uses).toBe(40 * 4 * 4);
      expect(counts.hits / counts.uses).toBeCloseTo(hitRate, 12);
      expect(hitRate).toBeGreaterThan(0.3);
      expect(hitRate).toBeLessThan(0.95);
    },
  );

  it("prefetches what the trace's cross-layer logits say: nothing in vain where they are right", () => {
    const derive = (value: number) =>
      withDerivedAhead(trace, { slotAccuracy: { value, source: "stated" }, seed: 1, depth: 1 });
    const right = decode(derive(1), "lru", 4);
    expect(right.prefetchesUsed).toBeGreaterThan(50);
    expect(right.prefetchesWasted).toBe(0);
    const often = decode(derive(0.7), "lru", 4);
    expect(often.prefetchesWasted).toBeGreaterThan(10);
  });
});
