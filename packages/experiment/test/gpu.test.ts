import { describe, expect, it } from "vitest";
import { z } from "zod";
import {
  defineExperiment,
  type GpuFacts,
  type GpuRequirement,
  gpuMisfit,
  isMachineMetric,
  MACHINE_METRICS,
  machineFactsSchema,
  namesCard,
} from "../src/index.ts";

const GIB = 2 ** 30;
const card = (more: Partial<GpuFacts> = {}): GpuFacts => ({
  name: "NVIDIA H100 PCIe",
  memoryBytes: 80 * GIB,
  driver: "580.65.06",
  computeCapability: "9.0",
  ...more,
});
const need = (more: Partial<GpuRequirement>): GpuRequirement => ({ device: "cuda", ...more });

describe("the card that a run needs", () => {
  it.each([
    [{ vramBytes: 80 * GIB }, undefined],
    [{ vramBytes: 80 * GIB + 1 }, /has NVIDIA H100 PCIe \(80\.0 GiB\), but a GPU with 80\.0 GiB/],
    [{ computeCapability: "9.0" }, undefined],
    [{ computeCapability: "10.0" }, /\(compute capability 9\.0\).* compute capability 10\.0 is/],
    [{ driver: "580" }, undefined],
    [{ driver: "580.65.7" }, /\(driver 580\.65\.06\)/],
    [{ name: "h100" }, undefined],
    [{ name: "H200" }, /\(another card\), but a GPU named H200 is needed/],
  ] as const)("%j is judged by what the machine has", (wanted, told) => {
    const misfit = gpuMisfit([card()], need(wanted));
    if (told === undefined) expect(misfit).toBeUndefined();
    else expect(misfit).toMatch(told);
  });

  it("is not among cards of which nothing is known that it asks for", () => {
    const old: GpuFacts = { name: "NVIDIA A100", memoryBytes: 40 * GIB, driver: "470" };
    const wanted = need({ computeCapability: "8.0" });
    expect(gpuMisfit([old], wanted)).toMatch(/compute capability unknown/);
    expect(gpuMisfit([old, card()], wanted)).toBeUndefined();
    expect(gpuMisfit([card({ memoryBytes: 0 })], need({ vramBytes: 1 }))).toMatch(/VRAM unknown/);
  });

  it("has less room while other runs have claimed some", () => {
    const wanted = need({ vramBytes: 50 * GIB });
    expect(gpuMisfit([card()], wanted, 30 * GIB)).toBeUndefined();
    expect(gpuMisfit([card()], wanted, 31 * GIB)).toMatch(/80\.0 GiB, 31\.0 GiB of it claimed/);
  });

  it("may be any that the back end finds", () => {
    expect(namesCard(need({}))).toBe(false);
    expect(namesCard(need({ vramBytes: 0 }))).toBe(false);
    expect(gpuMisfit([], need({}))).toBeUndefined();
    expect(gpuMisfit([], need({ vramBytes: GIB }))).toBe(
      "has no GPU, a GPU with 1.0 GiB of VRAM is needed",
    );
  });
});

describe("machine facts", () => {
  it("of runs recorded before more was known of GPUs stay readable", () => {
    const facts = {
      cpuModel: "x",
      cpuCount: 2,
      memoryBytes: 1,
      platform: "linux",
      arch: "x64",
      kernel: "6",
      nodeVersion: "v20",
      gpus: [{ name: "NVIDIA H200", memoryBytes: 5, driver: "580" }],
    };
    expect(machineFactsSchema.parse(facts)).toEqual(facts);
  });
});

describe("an experiment", () => {
  const define = (more: object) => () =>
    defineExperiment({
      kind: "a.b",
      version: 1,
      title: "T",
      question: "Is it so?",
      config: z.object({ onCard: z.boolean().default(false) }),
      presets: {
        quick: { title: "Q", description: "D", config: {}, everywhere: true },
        card: { title: "C", description: "On a card", config: { onCard: true } },
      },
      requires: () => ({}),
      fidelity: () => "measured",
      metrics: {
        loss: { title: "L", unit: "", better: "lower", help: "Loss.", measured: false },
      },
      views: [],
      load: async () => ({ run: async () => ({}) }),
      ...more,
    });

  it("may not take the name of a metric that the runner measures", () => {
    const spec = { title: "W", unit: "W", better: "none", help: "Power.", measured: true };
    expect(define({ metrics: { gpuPowerW: spec } })).toThrow(/gpuPowerW is measured by the runner/);
    expect(isMachineMetric("gpuPowerW{gpu=1}")).toBe(true);
    expect(isMachineMetric("gpuPower")).toBe(false);
    expect(isMachineMetric("toString")).toBe(false);
    for (const { help, step } of Object.values(MACHINE_METRICS)) {
      expect(help).toMatch(/whichever process/);
      expect(step).toBe("seconds");
    }
  });

  it("may not ask for a version that no card can be compared with", () => {
    const requires = (version: string) => ({
      requires: ({ onCard }: { onCard: boolean }) =>
        onCard ? { gpu: { device: "cuda", computeCapability: version } } : {},
    });
    expect(define(requires("8.0"))).not.toThrow();
    expect(define(requires("sm_80"))).toThrow(/preset card: sm_80 is no version of numbers/);
  });

  it("that runs everywhere asks for no card at all", () => {
    expect(define({ requires: () => ({ gpu: { device: "vulkan" } }) })).toThrow(
      /runs everywhere, yet needs a GPU/,
    );
  });
});
