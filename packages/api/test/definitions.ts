import { type AnyExperiment, defineExperiment, line } from "@fmlab/experiment";
import { z } from "zod";

/** Small experiments for the tests of the platform. */
export const curve: AnyExperiment = defineExperiment({
  kind: "test.curve",
  version: 2,
  title: "A curve",
  question: "Does the platform keep every point?",
  config: z.object({
    steps: z.number().int().min(1).max(1_000_000).default(10).describe("Points to report."),
    file: z.string().default("").describe("A model file, or none."),
    memoryBytes: z.number().min(0).default(0),
    device: z.enum(["cpu", "gpu"]).default("cpu"),
  }),
  presets: {
    quick: { title: "Quick", description: "Ten points.", config: {}, everywhere: true },
    model: { title: "Model", description: "With a file.", config: { file: "tiny.gguf" } },
  },
  requires: ({ file, memoryBytes, device }) => ({
    memoryBytes,
    gpu: device === "gpu",
    files: file ? [{ path: file, room: "model" as const, source: "our own", licence: "CC0" }] : [],
  }),
  fidelity: () => "simulated",
  metrics: {
    loss: { title: "Loss", unit: "nat", better: "lower", help: "Mean loss.", measured: false },
  },
  views: [line("shape", "Shape", "Its form.")],
  load: async () => ({ run: async () => ({}) }),
});

export const testExperiments: ReadonlyMap<string, AnyExperiment> = new Map([[curve.kind, curve]]);

export const facts = {
  cpuModel: "Test CPU",
  cpuCount: 2,
  memoryBytes: 8 * 2 ** 30,
  platform: "linux",
  arch: "x64",
  kernel: "6.1",
  nodeVersion: "v20",
  gpus: [],
};

export const reproduction = {
  machine: facts,
  code: {
    fmlabVersion: "0.1.0",
    gitCommit: null,
    dirty: null,
    diffSha256: null,
    lockfileSha256: null,
  },
  inputs: [],
  notes: {},
};

export const registration = (name = "machine-1", more: Record<string, unknown> = {}) => ({
  protocolVersion: 1,
  fmlabVersion: "0.1.0",
  name,
  facts,
  capabilities: ["model:tiny.gguf"],
  definitions: { "test.curve": 2 },
  ...more,
});
