import { GgmlLibrary, type GgufFile } from "@fmlab/ggml";
import { createPrng } from "@fmlab/sim";
import { afterAll, describe, expect, it } from "vitest";
import { MoeEngine } from "../../src/engine/engine.ts";
import { EXPERT_PARTS, type ExpertSource, type SlotPool } from "../../src/engine/interfaces.ts";
import type { ExpertLayout } from "../../src/model/expert-layout.ts";
import { planExpertMemory } from "../../src/offload/expert-memory.ts";
import { LateTwins, twinStaging } from "../../src/offload/low-precision.ts";
import { OffloadSource } from "../../src/offload/offload-source.ts";
import { OffloadedModel, type OffloadOptions } from "../../src/offload/offloaded-model.ts";
import { createControl } from "../../src/offload/prefetch-control.ts";
import { Scheduler } from "../../src/offload/scheduler.ts";
import type { PolicyName } from "../../src/policies/names.ts";
import { POLICIES } from "../../src/policies/registry.ts";
import { MixedSource } from "../../src/precision/mixed-source.ts";
import { joinLayouts, TieredPool } from "../../src/precision/tiered-pool.ts";
import { twinKeyBase } from "../../src/precision/twin-ranges.ts";
import { openTwins } from "../../src/precision/twins.ts";
import { crossLayer } from "../../src/predictors/cross-layer.ts";
import { NO_HOST_TIER } from "../../src/tiers/host-tier.ts";
import { FREE_LINK } from "../../src/tiers/link-schedule.ts";
import { MonotonicClock } from "../../src/tiers/monotonic-clock.ts";
import { haveSameBits } from "../engine/open.ts";
import { openSmall, temporaryFolder } from "../precision/small-moe.ts";
import { RandomLane } from "./random-lane.ts";

const { path: folder, remove } = temporaryFolder();
afterAll(remove);
/** Layer 1 is of another class than the others. */
const small = openSmall(folder, { types: { "1.ffn_down_exps": "F16" } });
const { file, layout } = small;
const twins = openTwins({ ...small, kind: "q2_k", folder });
afterAll(() => {
  file.close();
  twins.file.close();
});
const staging = twinStaging(twins.layout);
const tokens = Array.from({ length: 24 }, (_, i) => (i * i * 7 + 3 * i) % 256);
const isTwin = (key: number) => key >= twinKeyBase(layout);

/** Puts one expert of a file into a slot. */
function load(
  pool: SlotPool,
  from: { file: GgufFile; layout: ExpertLayout },
  key: number,
  slot: number,
) {
  const { expertCount } = from.layout;
  for (const part of EXPERT_PARTS) {
    const range = from.layout.range(Math.floor(key / expertCount), key % expertCount, part);
    from.file.read(range.offset, pool.view(slot, part), range.fileIndex);
  }
}

interface Run {
  logits: Float32Array[];
  /** By token and layer, the precision of each chosen expert: 1 for low. */
  tiers: Map<string, number[]>;
  scheduler: Scheduler;
  loads: { key: number; slot: number }[];
}

/** Decodes over a lane on which loads end at any time, and writes down what was low. */
function runOffloaded(policyName: PolicyName, seed: number, upgrade: boolean): Run {
  const definition = POLICIES[policyName];
  const { allocation, plan, slotsOfClass } = planExpertMemory(layout, {
    budgetBytes: 14 * layout.expertBytes + staging.bytes,
    policy: definition,
    prefetchWidth: 2,
    reservedBytes: staging.bytes,
  });
  const late = new LateTwins({
    layout,
    twins: twins.layout,
    firstSlot: plan.slotCount,
    upgrade,
  });
  const run: Omit<Run, "scheduler"> & { scheduler?: Scheduler } = {
    logits: [],
    tiers: new Map(),
    loads: [],
  };
  const engine = MoeEngine.open(
    file,
    {
      slotCount: [...slotsOfClass, ...staging.slotsOfClass],
      layout: joinLayouts([layout, twins.layout]),
      threads: 1,
      aheadDepth: 1,
    },
    (pool): ExpertSource => {
      const lane = new RandomLane(createPrng(seed, "lane"), (key, slot) => {
        run.loads.push({ key, slot });
        if (isTwin(key)) load(pool, twins, key - twinKeyBase(layout), slot);
        else load(pool, { file, layout }, key, slot);
      });
      const scheduler = new Scheduler({
        shape: layout,
        plan,
        policy: definition.create({ shape: layout, allocation }),
        lane,
        predictor: crossLayer.create({ shape: layout }),
        control: createControl({ control: "fixed", width: 1 }, layout),
        twins: late,
      });
      run.scheduler = scheduler;
      const source = new OffloadSource(scheduler, {
        allResident: false,
        readyFirst: seed % 2 === 0,
      });
      return {
        readyFirst: source.readyFirst,
        request: (routing, slots) => {
          source.request(routing, slots);
          const tiers = Array.from(slots, (slot) => (slot >= plan.slotCount ? 1 : 0));
          run.tiers.set(`${routing.position},${routing.layer}`, tiers);
        },
        isReady: (index) => source.isReady(index),
        waitFor: (index) => source.waitFor(index),
        release: () => source.release(),
      };
    },
  );
  run.logits = tokens.map((token) => engine.decode(token).slice());
  engine.close();
  if (!run.scheduler) throw new Error("no source was asked for");
  return { ...run, scheduler: run.scheduler };
}

/** The same tokens with every expert resident in both precisions, by the decisions of a run. */
function runMixed(tiers: Run["tiers"]): Float32Array[] {
  const joined = joinLayouts([layout, twins.layout]);
  const counts = joined.classes.map(({ layers }) => layers.length * layout.expertCount);
  let tiered: TieredPool | undefined;
  const engine = MoeEngine.open(file, { slotCount: counts, layout: joined, threads: 1 }, (pool) => {
    const own = new TieredPool([{ file, layout }, twins], GgmlLibrary.load().cpu);
    tiered = own;
    for (const layer of layout.moeLayers) {
      for (let expert = 0; expert < layout.expertCount; expert++) {
        const key = layer * layout.expertCount + expert;
        load(pool, { file, layout }, key, own.slotOf(0, layer, expert));
        load(pool, twins, key, own.slotOf(1, layer, expert));
      }
    }
    const choose = (batch: { position: number; layer: number }, output: Uint8Array) =>
      output.set(tiers.get(`${batch.position},${batch.layer}`) ?? []);
    return new MixedSource(own, { isPerToken: true, choose }, layout.expertUsedCount);
  });
  const logits = tokens.map((token) => engine.decode(token).slice());
  engine.close();
  tiered?.close();
  return logits;
}

describe("misses in low precision", () => {
  it.each(["lru", "fate", "on-demand", "arc"] as const)(
    "with the policy %s give the logits of the same decisions with all resident, to the bit",
    (policy) => {
      for (const seed of [1, 2]) {
        const run = runOffloaded(policy, seed, seed === 2);
        const low = [...run.tiers.values()].flat().reduce((sum, tier) => sum + tier, 0);
        const { counts } = run.scheduler;
        expect(low).toBe(counts.lowPrecision);
        expect(counts.lowPrecision).toBe(counts.demanded);
        expect(low).toBeGreaterThan(10);
        if (policy !== "on-demand") expect(low).toBeLessThan(counts.uses);
        expect(counts.hits + counts.lateHits + counts.demanded).toBe(counts.uses);
        const expected = runMixed(run.tiers);
        run.logits.forEach((row, i) => {
          expect(haveSameBits(row, expected[i] ?? new Float32Array(0))).toBe(true);
        });
      }
    },
  );

  it("are followed by the full expert where the policy keeps it, and not where it does not", () => {
    const kept = runOffloaded("lru", 3, true).scheduler.counts;
    const alone = runOffloaded("lru", 3, false).scheduler.counts;
    expect(kept.upgraded).toBeGreaterThan(10);
    expect(kept.hits + kept.lateHits).toBeGreaterThan(alone.hits + alone.lateHits);
    expect(alone.upgraded).toBe(0);
    expect(runOffloaded("on-demand", 3, true).scheduler.counts.upgraded).toBe(0);
  });
});

/** A model over real threads and files. */
function open(changes: Partial<OffloadOptions> & { policy?: PolicyName }) {
  const { policy = "lru", ...rest } = changes;
  const prefetch = { control: "off", width: 0, depth: 1 } as const;
  return OffloadedModel.open(file, layout, {
    strategy: { policy, predictor: "none", prefetch, readyFirst: true },
    budgetBytes: 14 * layout.expertBytes,
    host: NO_HOST_TIER,
    link: FREE_LINK,
    disk: FREE_LINK,
    threads: 1,
    contextLength: 64,
    clock: new MonotonicClock(),
    cancelFlag: new Int32Array(new SharedArrayBuffer(4)),
    lowPrecision: { twins: twins.layout, upgrade: false },
    ...rest,
  });
}

describe("a budget with low precision", () => {
  it("pays for the twins' staging to the byte", () => {
    const poolBytes = ({ engine }: OffloadedModel) =>
      engine.pool.classes.reduce((sum, one) => sum + one.slotCount * one.expertBytes, 0);
    let least = 0;
    try {
      open({ budgetBytes: staging.bytes }).close();
    } catch (error) {
      least = (error as { failure: { neededBytes: number } }).failure.neededBytes;
    }
    expect(least).toBeGreaterThan(staging.bytes);
    for (const extra of [0, 1, 40_000, 100_000, 300_000]) {
      const model = open({ budgetBytes: least + extra });
      expect(model.memory.usedBytes).toBe(poolBytes(model));
      expect(model.memory.usedBytes).toBeLessThanOrEqual(least + extra);
      const classes = model.engine.pool.classes.slice(layout.classes.length);
      expect(classes.map((one) => one.slotCount)).toEqual(staging.slotsOfClass);
      model.close();
    }
    const code = expect.objectContaining({ code: "BUDGET_TOO_SMALL" });
    expect(() => open({ budgetBytes: least - 1 })).toThrow(code);
  });

  it("moves the bytes of twins and no others where nothing is kept", () => {
    const [few, many] = [true, false].map((isLow) => {
      const model = open({
        policy: "on-demand",
        lowPrecision: isLow ? { twins: twins.layout, upgrade: true } : undefined,
      });
      for (const token of tokens) model.engine.decode(token);
      const bytes = model.lane?.counts().deliveredBytes ?? 0;
      model.close();
      return bytes;
    });
    const perToken = (of: ExpertLayout) =>
      layout.moeLayers.reduce(
        (sum, layer) => sum + of.classOfLayer(layer).expertBytes * layout.expertUsedCount,
        0,
      );
    expect(few).toBe(tokens.length * perToken(twins.layout));
    expect(many).toBe(tokens.length * perToken(layout));
    expect(few).toBeLessThan(0.5 * (many ?? 0));
  });

  it("computes in full while it is switched off", () => {
    const model = open({});
    const full = open({ policy: "all-resident", budgetBytes: 1 << 24, lowPrecision: undefined });
    const expected = tokens.map((token) => full.engine.decode(token).slice());
    full.close();
    const differs = () => {
      model.engine.reset();
      return tokens.filter(
        (token, i) => !haveSameBits(model.engine.decode(token), expected[i] ?? new Float32Array(0)),
      ).length;
    };
    expect(differs()).toBeGreaterThan(0);
    if (model.twins) model.twins.isOn = false;
    expect(differs()).toBe(0);
    if (model.twins) model.twins.isOn = true;
    expect(model.scheduler.counts.lowPrecision).toBeGreaterThan(0);
    model.close();
  });
});
