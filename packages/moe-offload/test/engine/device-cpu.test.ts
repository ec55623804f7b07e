import { GgmlLibrary, type GgufFile, openGguf } from "@fmlab/ggml";
import { afterAll, describe, expect, it } from "vitest";
import { DEVICES } from "../../src/engine/device/device-names.ts";
import { describeModel } from "../../src/model/description.ts";
import { type ExpertLayout, expertLayout } from "../../src/model/expert-layout.ts";
import type { CpuExpertOptions } from "../../src/offload/cpu-experts.ts";
import type { FinishedLoad } from "../../src/offload/lane.ts";
import { OffloadedModel } from "../../src/offload/offloaded-model.ts";
import { STRATEGIES, type Strategy } from "../../src/offload/strategies.ts";
import { type HostTierOptions, NO_HOST_TIER } from "../../src/tiers/host-tier.ts";
import { FREE_LINK } from "../../src/tiers/link-schedule.ts";
import { MonotonicClock } from "../../src/tiers/monotonic-clock.ts";
import { SHIPPED_MODEL } from "../shipped-model.ts";
import { tokensOf, withFile } from "./every-way.ts";
import { differenceMax, haveSameBits } from "./open.ts";
import { type RandomModel, randomModelFile } from "./random-model.ts";

const library = GgmlLibrary.load();
const card = DEVICES.find((name) => name !== "cpu" && library.find(name) !== undefined);
const why = card === undefined ? " (skipped: ggml offers no CUDA or Vulkan card here)" : "";

const TOKENS = [1, 4711, 77];
/** As in `device.test.ts`: of logits that spread by 2.8; a wrong expert moves them by a spread. */
const LOGIT_TOLERANCE = 0.8;

const file = openGguf(SHIPPED_MODEL);
const layout = expertLayout(file, describeModel(file));
const allBytes = layout.moeLayers.length * layout.expertCount * layout.expertBytes;
afterAll(() => file.close());

const RESIDENT: Strategy = { ...STRATEGIES.lru, policy: "all-resident" };
const PINNED: HostTierOptions = { budgetBytes: 2 * allBytes, mode: "pinned", preload: true };
const ALWAYS: CpuExpertOptions = { threads: 2, choice: "always" };

/** Of logits that spread by some 4, where no expert is quantised: only orders of sums differ. */
const EXACT_TOLERANCE = 2e-3;

const PLAIN = {
  seed: 4,
  layers: 3,
  width: 64,
  heads: 4,
  kvHeads: 2,
  experts: 6,
  used: 2,
  inner: 32,
  context: 64,
  ropeBase: 10_000,
  epsilon: 1e-5,
} as const;
const EXACT = { ffn_gate_exps: "F32", ffn_up_exps: "F32", ffn_down_exps: "F32" } as const;
/** One with a shared expert, with dense layers, with factors, and with experts of two kinds. */
const MODELS: RandomModel[] = [
  // So many that the gate of the shared expert begins where Vulkan reads from.
  { ...PLAIN, architecture: "qwen2moe", experts: 64, sharedInner: 64, types: EXACT },
  { ...PLAIN, architecture: "granitemoe", tied: true, types: EXACT },
  {
    ...{ ...PLAIN, architecture: "deepseek", denseLead: 1, denseInner: 96, sharedCount: 2 },
    types: { ...EXACT, "1.ffn_up_exps": "F16" },
  },
];

function open(
  strategy: Strategy,
  budgetBytes: number,
  cpuExperts?: CpuExpertOptions,
  more: {
    onLoad?: (load: FinishedLoad) => void;
    file?: GgufFile;
    layout?: ExpertLayout;
    host?: HostTierOptions;
  } = {},
) {
  return OffloadedModel.open(more.file ?? file, more.layout ?? layout, {
    ...{ strategy, budgetBytes, cpuExperts, device: card ?? "cpu", host: more.host ?? PINNED },
    ...(more.onLoad && { onLoad: more.onLoad }),
    link: FREE_LINK,
    disk: FREE_LINK,
    threads: 1,
    contextLength: 64,
    clock: new MonotonicClock(),
    cancelFlag: new Int32Array(new SharedArrayBuffer(4)),
  });
}

const decode = ({ engine }: OffloadedModel) => TOKENS.map((token) => engine.decode(token).slice());

/** Runs on a model and closes it. */
function on<T>(model: OffloadedModel, run: (model: OffloadedModel) => T): T {
  try {
    return run(model);
  } finally {
    model.close();
  }
}

describe("experts on the CPU beside a card", () => {
  it("are refused where there is no card, no host memory, or another answer to misses", () => {
    const attempt = (settings: object) => () =>
      OffloadedModel.open(file, layout, {
        ...{ strategy: STRATEGIES.lru, budgetBytes: allBytes, host: PINNED, cpuExperts: ALWAYS },
        ...{ link: FREE_LINK, disk: FREE_LINK, threads: 1, contextLength: 64 },
        clock: new MonotonicClock(),
        cancelFlag: new Int32Array(new SharedArrayBuffer(4)),
        ...settings,
      });
    expect(attempt({})).toThrow(/device is cpu.*Set cpuExperts.threads to 0/);
    expect(attempt({ device: "cuda", host: NO_HOST_TIER })).toThrow(/host memory.*Give host/);
    const twins = { lowPrecision: { twins: layout, upgrade: false }, device: "cuda" };
    expect(attempt(twins)).toThrow(/low precision or by the CPU, not both/);
  });
});

describe.skipIf(card === undefined)(`experts on the CPU beside ${card ?? "a card"}${why}`, () => {
  it("give all-resident's logits within what rounding explains, and copy nothing on demand", () => {
    const expected = on(open(RESIDENT, allBytes), (model) => {
      model.engine.onLayer = () => {};
      return decode(model);
    });
    const demanded: FinishedLoad[] = [];
    const onLoad = (load: FinishedLoad) => void (load.urgency === "demand" && demanded.push(load));
    const { counts, rows } = on(
      open(STRATEGIES["load-on-demand"], Math.ceil(0.2 * allBytes), ALWAYS, { onLoad }),
      (model) => ({ rows: decode(model), counts: { ...model.scheduler.counts } }),
    );
    // Nothing stays on demand, so the CPU computes every expert of every layer.
    const uses = TOKENS.length * layout.moeLayers.length * layout.expertUsedCount;
    expect(counts).toMatchObject({ uses, cpuComputed: uses, demanded: 0, hits: 0 });
    expect(demanded).toEqual([]);
    rows.forEach((row, i) => {
      const distance = differenceMax(row, expected[i] ?? row);
      expect(distance).toBeGreaterThan(0);
      expect(distance).toBeLessThanOrEqual(LOGIT_TOLERANCE);
    });
  });

  it.each(MODELS.map((made) => [made.architecture, made] as const))(
    "are weighted and summed as in the architecture %s",
    (_, made) => {
      withFile(randomModelFile(made), (path) => {
        const small = openGguf(path);
        const experts = expertLayout(small, describeModel(small));
        const tokens = tokensOf(made).slice(0, 4);
        const run = (strategy: Strategy, cpuExperts?: CpuExpertOptions) =>
          on(open(strategy, 1e7, cpuExperts, { file: small, layout: experts }), (model) => {
            model.engine.onLayer = () => {};
            const rows = tokens.map((token) => model.engine.decode(token).slice());
            return { rows, onCpu: model.scheduler.counts.cpuComputed };
          });
        const expected = run(RESIDENT);
        const beside = run(STRATEGIES["load-on-demand"], ALWAYS);
        expect(beside.onCpu).toBe(tokens.length * experts.moeLayers.length * made.used);
        beside.rows.forEach((row, i) => {
          expect(differenceMax(row, expected.rows[i] ?? row)).toBeLessThanOrEqual(EXACT_TOLERANCE);
        });
        small.close();
      });
    },
  );

  it("fill a cache behind their back, and where nothing misses change no bit", () => {
    const expected = on(open(RESIDENT, allBytes), (model) => {
      model.engine.onLayer = () => {};
      return decode(model);
    });
    const budget = allBytes + layout.expertBytes;
    on(open(STRATEGIES.lru, budget, ALWAYS), (model) => {
      const { counts } = model.scheduler;
      let before = -1;
      for (let pass = 0; pass < 12 && counts.cpuComputed !== before; pass++) {
        before = counts.cpuComputed;
        decode(model);
        model.engine.reset();
      }
      const rows = decode(model);
      expect(before).toBeGreaterThan(0);
      expect(counts.demanded).toBe(0);
      expect(counts.upgraded).toBeGreaterThan(0);
      expect(counts.cpuComputed).toBe(before);
      expect(rows.map((row, i) => haveSameBits(row, expected[i] ?? row.slice(1)))).toEqual(
        TOKENS.map(() => true),
      );
    });
  });

  it("share misses with the link, each expert computed once", () => {
    const expected = on(open(RESIDENT, allBytes), decode);
    const balanced: CpuExpertOptions = { threads: 1, choice: "balanced" };
    // Of a host memory that does not hold all, what is being replaced is not computed from.
    const SMALL: HostTierOptions = { budgetBytes: allBytes / 3, mode: "lru", preload: true };
    const cells = [
      [STRATEGIES.lru, balanced, PINNED],
      [STRATEGIES.fate, balanced, PINNED],
      [STRATEGIES.fate, ALWAYS, SMALL],
    ] as const;
    for (const [strategy, cpuExperts, host] of cells) {
      on(open(strategy, Math.ceil(0.3 * allBytes), cpuExperts, { host }), (model) => {
        const rows = decode(model);
        const { cpuComputed, demanded, hits, lateHits, uses } = model.scheduler.counts;
        expect(hits + lateHits + demanded + cpuComputed).toBe(uses);
        expect(cpuComputed).toBeGreaterThan(0);
        if (host === SMALL) expect(demanded).toBeGreaterThan(0);
        rows.forEach((row, i) => {
          expect(differenceMax(row, expected[i] ?? row)).toBeLessThanOrEqual(LOGIT_TOLERANCE);
        });
      });
    }
  });
});
