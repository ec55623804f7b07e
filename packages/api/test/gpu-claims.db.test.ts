import { Prisma } from "@fmlab/db";
import {
  defineExperiment,
  type GpuFacts,
  type GpuRequirement,
  gpuMisfit,
  MACHINE_METRICS,
  namesCard,
} from "@fmlab/experiment";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { gpuFits } from "../src/queue/gpu-fits.ts";
import { startTestPlatform, type TestPlatform } from "../src/testing.ts";
import { facts, registration, reproduction } from "./definitions.ts";

const GIB = 2 ** 30;
const H100: GpuFacts = {
  name: "NVIDIA H100 PCIe",
  memoryBytes: 80 * GIB,
  driver: "580.65.06",
  computeCapability: "9.0",
};
const RTX3090: GpuFacts = {
  name: "NVIDIA GeForce RTX 3090",
  memoryBytes: 24 * GIB,
  driver: "550.54.15",
  computeCapability: "8.6",
};
/** As recorded before more was known of cards. */
const PLAIN: GpuFacts = { name: "NVIDIA A100", memoryBytes: 40 * GIB, driver: "470.1" };
const ODD: GpuFacts = { ...H100, name: "Odd", memoryBytes: 0, driver: "[N/A]" };

const onCard = defineExperiment({
  kind: "test.card",
  version: 1,
  title: "On a card",
  question: "Does it get the card it needs?",
  config: z.object({
    device: z.enum(["none", "cuda", "vulkan"]).default("none"),
    vramBytes: z.number().default(0),
    computeCapability: z.string().optional(),
    name: z.string().optional(),
  }),
  presets: { quick: { title: "Quick", description: "No card.", config: {}, everywhere: true } },
  requires: ({ device, ...card }) => (device === "none" ? {} : { gpu: { device, ...card } }),
  fidelity: () => "simulated",
  metrics: {
    loss: { title: "Loss", unit: "nat", better: "lower", help: "Mean loss.", measured: false },
  },
  views: [],
  load: async () => ({ run: async () => ({}) }),
});

let t: TestPlatform;
beforeAll(async () => {
  t = await startTestPlatform({
    experiments: new Map([[onCard.kind, onCard]]),
    background: false,
  });
});
afterAll(() => t.stop());
beforeEach(async () => {
  await t.db.run.deleteMany();
  await t.db.machine.deleteMany();
});

const agent = () => t.withToken(t.agentToken).agent;
const register = async (name: string, gpus: GpuFacts[], capabilities: string[]) => {
  const definitions = { [onCard.kind]: 1 };
  const more = { facts: { ...facts, gpus }, capabilities, definitions };
  return (await agent().register.mutate(registration(name, more))).machineId;
};
const launch = async (config: object) => {
  const input = { projectId: t.projectId, kind: onCard.kind, seeds: [1], config: { ...config } };
  return (await t.as("member").run.create.mutate(input)).runs[0]?.id ?? "";
};
const claim = (machineId: string) => agent().claim.mutate({ machineId, waitMs: 0 });
const claimedBy = async (machineId: string) => (await claim(machineId))?.runId ?? null;

describe("a run that needs a GPU", () => {
  it("is claimed only by the machine whose card has it all", async () => {
    const bare = await register("bare", [], ["ggml"]);
    const small = await register("small", [RTX3090], ["gpu", "gpu:cuda"]);
    const other = await register("other", [H100], ["gpu", "gpu:vulkan"]);
    const big = await register("big", [RTX3090, H100], ["gpu", "gpu:cuda"]);
    const run = await launch({ device: "cuda", vramBytes: 40 * GIB, computeCapability: "9.0" });
    for (const unfit of [bare, small, other]) expect(await claimedBy(unfit)).toBeNull();
    expect(await claimedBy(big)).toBe(run);
  });

  it("needs one card that has it all, not two that have a part each", async () => {
    const halves = await register(
      "halves",
      [
        { ...RTX3090, memoryBytes: 80 * GIB },
        { ...H100, memoryBytes: 10 * GIB },
      ],
      ["gpu:cuda"],
    );
    await register("big", [H100], ["gpu:cuda"]);
    await launch({ device: "cuda", vramBytes: 40 * GIB, computeCapability: "9.0" });
    expect(await claimedBy(halves)).toBeNull();
  });

  it("without a word about the card fits every machine with the back end", async () => {
    const radeon = await register("radeon", [], ["gpu", "gpu:vulkan"]);
    const run = await launch({ device: "vulkan" });
    expect(await claimedBy(radeon)).toBe(run);
  });

  it("waits while another run on the machine has claimed the VRAM", async () => {
    const box = await register("box", [RTX3090], ["gpu:cuda"]);
    const first = await launch({ device: "cuda", vramBytes: 16 * GIB });
    const second = await launch({ device: "cuda", vramBytes: 16 * GIB });
    const job = await claim(box);
    expect(job?.runId).toBe(first);
    expect(await claimedBy(box)).toBeNull();
    const { attemptNumber = 1 } = job ?? {};
    const end = {
      state: "SUCCEEDED",
      failure: null,
      summary: null,
      fidelity: "simulated",
    } as const;
    await agent().finish.mutate({ runId: first, attemptNumber, ...end, reproduction });
    expect(await claimedBy(box)).toBe(second);
  });

  it("is refused at launch, saying for each machine what it lacks", async () => {
    await register("bare", [], []);
    await register("small", [RTX3090], ["gpu:cuda"]);
    const config = { device: "cuda", vramBytes: 40 * GIB, computeCapability: "9.0" };
    await expect(launch(config)).rejects.toThrow(
      "bare lacks gpu:cuda: see `fmlab doctor` there; small has NVIDIA GeForce RTX 3090 " +
        "(24.0 GiB, compute capability 8.6), but a GPU with 40.0 GiB of VRAM and compute " +
        "capability 9.0 is needed",
    );
    const { projectId } = t;
    const checked = await t.as("viewer").experiment.check.query({
      ...{ projectId, kind: onCard.kind, config },
    });
    expect(checked).toMatchObject({ ok: false, runnableOn: [], requires: { tags: ["gpu:cuda"] } });
    expect(checked.problems[0]?.message).toContain("24.0 GiB");
  });

  it("tells in the queue that the machine it was launched for has lost its card", async () => {
    await register("box", [H100], ["gpu:cuda"]);
    const runId = await launch({ device: "cuda", name: "h100" });
    await register("box", [], ["gpu:cuda"]);
    const { queue } = await t.as("viewer").run.get.query({ runId });
    expect(queue?.waitingFor).toBe("box has no GPU, a GPU named h100 is needed");
  });
});

describe("the queue's condition on cards", () => {
  it("is the one that explains a misfit, for every need and machine", async () => {
    const needs: GpuRequirement[] = [
      { device: "cuda" },
      ...[0, 1, 24 * GIB, 24 * GIB + 1, 8e10].map(
        (n) => ({ device: "cuda", vramBytes: n }) as const,
      ),
      ...["8", "8.6", "8.10", "9.0", "9.0.1", "10.0"].map(
        (v) => ({ device: "cuda", computeCapability: v }) as const,
      ),
      ...["470", "550.54.15", "550.54.16", "580.9"].map(
        (v) => ({ device: "cuda", driver: v }) as const,
      ),
      ...["rtx", "NVIDIA", "h200"].map((name) => ({ device: "cuda", name }) as const),
      { device: "cuda", vramBytes: GIB, computeCapability: "8.0", driver: "550", name: "3090" },
    ];
    const machines = [[], [H100], [RTX3090], [PLAIN], [ODD], [ODD, RTX3090], [PLAIN, H100]];
    const cases = needs.flatMap((need) =>
      machines.flatMap((gpus) => [0, 10 * GIB].map((taken) => ({ need, gpus, taken }))),
    );
    const [need, gpus, taken] = [Prisma.sql`c.need`, Prisma.sql`c.gpus`, Prisma.sql`c.taken`];
    const rows = await t.db.$queryRaw<{ fits: boolean }[]>`
      SELECT ${gpuFits(need, gpus, taken)} AS fits
      FROM jsonb_to_recordset(${JSON.stringify(cases.map((one, at) => ({ at, ...one })))}::jsonb)
        AS c(at int, need jsonb, gpus jsonb, taken numeric) ORDER BY at`;
    const told = cases.map((c) => gpuMisfit(c.gpus, c.need, c.taken) === undefined);
    // A need of nothing but a back end is stored as null: the tags decide.
    const expected = cases.map((c, i) => !namesCard(c.need) || told[i]);
    const found = cases.map((c, i) => !namesCard(c.need) || rows[i]?.fits);
    expect(found.filter((one) => one).length).toBeGreaterThan(20);
    expect(found.filter((one) => !one).length).toBeGreaterThan(20);
    expect(found).toEqual(expected);
  });
});

describe("metrics of the machine", () => {
  it("have units and limits of their own beside the experiment's", async () => {
    const box = await register("box", [H100], []);
    await launch({});
    const job = await claim(box);
    if (job === null) throw new Error("nothing to claim");
    const { runId, attemptNumber } = job;
    await agent().start.mutate({ runId, attemptNumber, reproduction });
    const point = (key: string) => ({
      ...{ key, chunkNo: 0, sealed: false, steps: [0.5], values: [1], timesMs: [500] },
    });
    const report = (keys: string[]) =>
      agent().report.mutate({
        ...{ runId, attemptNumber, metrics: keys.map(point), logs: [], series: [] },
      });
    await report(Array.from({ length: 500 }, (_, i) => `k${i}`));
    const names = Object.keys(MACHINE_METRICS);
    await report([0, 1].flatMap((gpu) => names.map((name) => `${name}{gpu=${gpu}}`)));
    await expect(report(["k500"])).rejects.toThrow(/at most 500/);
    const many = Array.from({ length: 200 }, (_, i) => `gpuPowerW{gpu=${i + 2}}`);
    await expect(report(many)).rejects.toThrow(/machine metrics in a run: .* at most 200/);
    const columns = await t.as("viewer").run.metricKeys.query({ projectId: t.projectId });
    const power = columns.find(({ key }) => key === "gpuPowerW{gpu=1}");
    expect(power).toMatchObject({ title: "GPU power", unit: "W", headline: false });
  });
});
