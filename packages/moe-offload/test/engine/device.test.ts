import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { GgmlLibrary, openGguf } from "@fmlab/ggml";
import { afterAll, describe, expect, it } from "vitest";
import { DEVICES, type DeviceName } from "../../src/engine/device/device-names.ts";
import { EngineError } from "../../src/engine/errors.ts";
import { describeModel } from "../../src/model/description.ts";
import { expertLayout } from "../../src/model/expert-layout.ts";
import { OffloadedModel } from "../../src/offload/offloaded-model.ts";
import { STRATEGIES, type Strategy } from "../../src/offload/strategies.ts";
import { type HostTierOptions, NO_HOST_TIER } from "../../src/tiers/host-tier.ts";
import { FREE_LINK } from "../../src/tiers/link-schedule.ts";
import { MonotonicClock } from "../../src/tiers/monotonic-clock.ts";
import { SHIPPED_MODEL } from "../shipped-model.ts";
import { differenceMax, haveSameBits } from "./open.ts";

const library = GgmlLibrary.load();
const card = DEVICES.find((name) => name !== "cpu" && library.find(name) !== undefined);
const missing = DEVICES.find((name) => library.find(name) === undefined);

const TOKENS = [1, 4711, 77];
/**
 * Of logits that spread by 2.8. The CPU rounds what goes into a product to 8 bits, cards in other
 * blocks or not at all, which moves them by up to 0.55 here; a wrong expert moves them by a spread.
 */
const LOGIT_TOLERANCE = 0.8;

const file = openGguf(SHIPPED_MODEL);
const layout = expertLayout(file, describeModel(file));
const allBytes = layout.moeLayers.length * layout.expertCount * layout.expertBytes;
afterAll(() => file.close());

const RESIDENT: Strategy = { ...STRATEGIES.lru, policy: "all-resident" };
const PINNED: HostTierOptions = { budgetBytes: 2 * allBytes, mode: "pinned", preload: true };

function open(device: DeviceName, strategy: Strategy, budgetBytes = allBytes, host = NO_HOST_TIER) {
  return OffloadedModel.open(file, layout, {
    ...{ strategy, budgetBytes, host, device },
    link: FREE_LINK,
    disk: FREE_LINK,
    threads: 1,
    contextLength: 64,
    clock: new MonotonicClock(),
    cancelFlag: new Int32Array(new SharedArrayBuffer(4)),
  });
}

const decode = ({ engine }: OffloadedModel) => TOKENS.map((token) => engine.decode(token).slice());

function decodeSplit(model: OffloadedModel): Float32Array[] {
  model.engine.onLayer = () => {};
  return decode(model);
}

/** Runs on a model and closes it. */
function on<T>(model: OffloadedModel, run: (model: OffloadedModel) => T): T {
  try {
    return run(model);
  } finally {
    model.close();
  }
}

const distances = (rows: readonly Float32Array[], others: readonly Float32Array[]) =>
  rows.map((row, i) => differenceMax(row, others[i] ?? new Float32Array(0)));

describe("a device that this machine has not", () => {
  it.skipIf(missing === undefined)("is told with what there is and what it takes", () => {
    const attempt = () => open(missing ?? "cuda", RESIDENT);
    expect(attempt).toThrowError(EngineError);
    expect(attempt).toThrowError(
      /no (cuda|vulkan) device.*found: .*To compute there.*GGML_LIB_DIR/,
    );
    try {
      attempt();
    } catch (error) {
      const found = library.devices.map(({ name }) => expect.stringContaining(name));
      expect((error as EngineError).failure).toEqual({ code: "NO_DEVICE", device: missing, found });
    }
  });
});

const why = card === undefined ? " (skipped: ggml offers no CUDA or Vulkan card here)" : "";
describe.skipIf(card === undefined)(`the engine on ${card ?? "a card"}${why}`, () => {
  const device = card ?? "cpu";

  it("gives the CPU's logits within what rounding explains, token by token and as a prompt", () => {
    const expected = on(open("cpu", RESIDENT), decode);
    const [whole, split, prompt] = on(open(device, RESIDENT), (model) => {
      const first = decode(model);
      model.engine.reset();
      const second = decodeSplit(model);
      model.engine.reset();
      return [first, second, model.engine.prefill(TOKENS).slice()] as const;
    });
    for (const distance of [...distances(whole, expected), ...distances(split, expected)]) {
      expect(distance).toBeGreaterThan(0);
      expect(distance).toBeLessThanOrEqual(LOGIT_TOLERANCE);
    }
    expect(distances([prompt], expected.slice(-1))[0]).toBeLessThanOrEqual(LOGIT_TOLERANCE);
  });

  it("evaluates prompts of rising length in one engine, as the CPU does", () => {
    // In a process of its own: Mesa's driver once wrote to freed memory here, which ends it.
    const child = fileURLToPath(new URL("rising-prompts.ts", import.meta.url));
    // Above 32 rows that driver takes another way to multiply, whose results vary from run to run.
    const lengths = "2,7,12,30";
    const run = (on: DeviceName) => {
      const { stdout, status, signal, stderr } = spawnSync(
        process.execPath,
        ["--import", "tsx", child, on, lengths],
        { encoding: "utf8" },
      );
      expect({ status, signal, stderr: status === 0 ? "" : stderr }).toMatchObject({ status: 0 });
      return stdout
        .trim()
        .split("\n")
        .map((line) => Float32Array.from(JSON.parse(line)));
    };
    const expected = run("cpu");
    expect(expected).toHaveLength(4);
    for (const distance of distances(run(device), expected)) {
      expect(distance).toBeLessThanOrEqual(LOGIT_TOLERANCE);
    }
  }, 60_000);

  it("gives the same bits wherever experts come from", () => {
    const expected = on(open(device, RESIDENT), decodeSplit);
    const cells = [
      [STRATEGIES.lru, 0.2, NO_HOST_TIER],
      [STRATEGIES.fate, 0.4, PINNED],
    ] as const;
    for (const [strategy, share, host] of cells) {
      const model = open(device, strategy, Math.ceil(share * allBytes), host);
      const { logits, loadedBytes } = on(model, (opened) => {
        const rows = decode(opened);
        return { logits: rows, loadedBytes: opened.lane?.counts().deliveredBytes };
      });
      expect(logits.map((row, i) => haveSameBits(row, expected[i] ?? row.slice(1)))).toEqual(
        TOKENS.map(() => true),
      );
      expect(loadedBytes).toBeGreaterThan(0);
    }
  });
});
