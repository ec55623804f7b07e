import { openGguf } from "@fmlab/ggml";
import { createPrng } from "@fmlab/sim";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { calibrate } from "../../src/calibration/calibrate.ts";
import type { Calibration } from "../../src/calibration/calibration.ts";
import { MoeEngine } from "../../src/engine/engine.ts";
import { EXPERT_PARTS, type ExpertSource, type SlotPool } from "../../src/engine/interfaces.ts";
import { describeModel } from "../../src/model/description.ts";
import { expertLayout } from "../../src/model/expert-layout.ts";
import { OffloadSource } from "../../src/offload/offload-source.ts";
import { createControl } from "../../src/offload/prefetch-control.ts";
import { Scheduler } from "../../src/offload/scheduler.ts";
import { planSlots } from "../../src/offload/slot-table.ts";
import { PREFETCH_CONTROLS } from "../../src/offload/strategy-names.ts";
import { POLICY_NAMES, type PolicyName } from "../../src/policies/names.ts";
import { POLICIES } from "../../src/policies/registry.ts";
import { PREDICTOR_NAMES, type PredictorName } from "../../src/predictors/names.ts";
import { PREDICTORS } from "../../src/predictors/registry.ts";
import { haveSameBits, openEngine } from "../engine/open.ts";
import { sampleTokens } from "../engine/sampled-text.ts";
import { SHIPPED_MODEL } from "../shipped-model.ts";
import { RandomLane } from "./random-lane.ts";

const ROWS = 10;
const BUDGETS = [24, 64, 192];
/** Works on recorded traces only. */
const needsFuture = (name: PolicyName) => POLICIES[name].needs?.includes("future") === true;
const policies = POLICY_NAMES.filter((name) => !needsFuture(name) && name !== "all-resident");

const file = openGguf(SHIPPED_MODEL);
const layout = expertLayout(file, describeModel(file));

/** Lets one engine be used with one source of experts after the other. */
class Switchable implements ExpertSource {
  inner: OffloadSource | undefined;
  get readyFirst() {
    return this.inner?.readyFirst === true;
  }
  request: ExpertSource["request"] = (routing, slots) => this.inner?.request(routing, slots);
  isReady = (index: number) => this.inner?.isReady(index) === true;
  waitFor = (index: number) => this.inner?.waitFor(index);
  release = () => this.inner?.release();
}

describe.each(BUDGETS)("with %i slots, loads that end in any order, and", (slotCount) => {
  const source = new Switchable();
  let pool: SlotPool;
  let engine: MoeEngine;
  let text: Int32Array;
  let expected: Float32Array[];
  let calibration: Calibration;
  let combination = 0;

  beforeAll(() => {
    const resident = openEngine();
    text = sampleTokens(resident, createPrng(slotCount, "text"), ROWS);
    expected = Array.from(text, (token) => resident.decode(token).slice());
    calibration = calibrate(resident, { tokenCount: 60, seed: 1, firstToken: 0 });
    resident.close();
    engine = MoeEngine.open(file, { slotCount, threads: 1, aheadDepth: 3 }, (memory) => {
      pool = memory;
      return source;
    });
  });
  afterAll(() => engine.close());

  function load(key: number, slot: number): void {
    const [layer, expert] = [Math.floor(key / layout.expertCount), key % layout.expertCount];
    for (const part of EXPERT_PARTS) {
      file.read(layout.range(layer, expert, part).offset, pool.view(slot, part));
    }
  }

  function open(policyName: PolicyName, predictorName: PredictorName): Scheduler | undefined {
    // Controls, depths and orders take turns, so that each meets each policy and predictor.
    const control = PREFETCH_CONTROLS[combination % PREFETCH_CONTROLS.length] ?? "off";
    const depth = 1 + (combination % 3);
    combination += 1;
    const width = control === "off" ? 0 : 3;
    const policy = POLICIES[policyName];
    const allocation = policy.allocate(layout, slotCount, width);
    if (typeof allocation === "number") return undefined;
    const { plan } = planSlots(layout, allocation, () => 0);
    const lane = new RandomLane(createPrng(combination, "lane"), load);
    const predictor = PREDICTORS[predictorName];
    const scheduler = new Scheduler({
      shape: layout,
      plan,
      policy: policy.create({ ...calibration, shape: layout, allocation }),
      lane,
      predictor: predictor.create({ ...calibration, shape: layout }),
      control: createControl({ control, width }, layout),
      depth: Math.min(depth, predictor.depthMax),
    });
    const keys = [...(policy.initial?.({ ...calibration, shape: layout, allocation }) ?? [])];
    scheduler.place(keys).forEach((slot, i) => {
      lane.submit(keys[i] ?? 0, slot, "demand");
      lane.waitFor(slot);
    });
    return scheduler;
  }

  it.each(policies)(
    "the policy %s with every predictor, the bits are those of all resident",
    (name) => {
      let opened = 0;
      for (const predictor of PREDICTOR_NAMES) {
        const scheduler = open(name, predictor);
        if (!scheduler) continue;
        opened++;
        source.inner = new OffloadSource(scheduler, {
          allResident: false,
          readyFirst: combination % 4 !== 0,
        });
        engine.reset();
        const different = Array.from(text.keys()).filter(
          (row) =>
            !haveSameBits(engine.decode(text[row] ?? 0), expected[row] ?? new Float32Array(0)),
        );
        expect(different, predictor).toEqual([]);
        const { counts } = scheduler;
        expect(counts.uses).toBe(ROWS * layout.moeLayers.length * layout.expertUsedCount);
        expect(counts.hits + counts.lateHits + counts.demanded).toBe(counts.uses);
      }
      expect(opened).toBe(PREDICTOR_NAMES.length);
    },
  );
});
