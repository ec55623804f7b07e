import { rmSync } from "node:fs";
import { join } from "node:path";
import { MACHINE_METRICS } from "@fmlab/experiment";
import { describe, expect, it } from "vitest";
import { openGpuReader } from "../src/gpu/gpu-reader.ts";
import { readRunFolder } from "../src/sink/run-folder-reader.ts";
import { fmlab, temporaryFolder } from "./fixtures/command.ts";
import { Lab } from "./fixtures/lab.ts";
import { buildNvml } from "./fixtures/nvml-stand-in.ts";

const library = buildNvml();
const withCompiler = describe.skipIf(library === undefined);
if (library === undefined) process.stderr.write("no C compiler: calls into NVML are not tested\n");

/** No nvidia-smi, and the stand-in for NVML. */
const env = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  PATH: "",
  FMLAB_NVML_LIBRARY: library,
  ...more,
});

const H100 = {
  name: "NVIDIA H100 PCIe",
  memoryBytes: 85_520_809_984,
  memoryFreeBytes: 84_000_000_000,
  driver: "580.65.06",
  computeCapability: "9.0",
  cudaVersion: "12.4",
  pcie: { generation: 1, width: 8, generationMax: 5, widthMax: 16 },
  clocks: { smMHz: 345, memoryMHz: 1_593, smMaxMHz: 1_755, memoryMaxMHz: 2_619 },
  powerLimitW: 350,
};
const SAMPLE = {
  gpuUtilisation: 97,
  gpuMemoryUtilisation: 41,
  gpuVramBytes: 1_520_809_984,
  gpuPowerW: 120.5,
  gpuSmClockMHz: 345,
  gpuMemoryClockMHz: 1_593,
  gpuTemperatureC: 45,
  gpuPcieRxMBps: 54_000,
  gpuPcieTxMBps: 250,
  gpuPcieGeneration: 1,
};

withCompiler("GPUs read through NVML", () => {
  it("are told with memory, link, clocks and limits", async () => {
    const reader = await openGpuReader(env());
    expect(reader?.source).toBe("NVML");
    expect(await reader?.facts()).toEqual([
      H100,
      {
        ...H100,
        name: "NVIDIA H200",
        computeCapability: "9.1",
        pcie: { generation: 2, width: 9, generationMax: 6, widthMax: 17 },
        clocks: { smMHz: 346, memoryMHz: 1_594, smMaxMHz: 1_756, memoryMaxMHz: 2_620 },
        powerLimitW: 350.001,
      },
    ]);
  });

  it("are sampled with every counter, both cards at once", async () => {
    const reader = await openGpuReader(env());
    const samples = await reader?.sample();
    expect(samples).toHaveLength(2);
    expect(samples?.[0]).toEqual(SAMPLE);
    expect(Object.keys(samples?.[1] ?? {}).sort()).toEqual(Object.keys(MACHINE_METRICS).sort());
    expect(samples?.[1]).toMatchObject({ gpuPowerW: 120.501, gpuPcieRxMBps: 54_000.001 });
  });

  it("are those that CUDA_VISIBLE_DEVICES shows, in its order", async () => {
    const names = async (list: string) =>
      (await (await openGpuReader(env({ CUDA_VISIBLE_DEVICES: list })))?.facts())?.map(
        ({ name }) => name,
      );
    expect(await names("1,0")).toEqual(["NVIDIA H200", "NVIDIA H100 PCIe"]);
    expect(await names("GPU-bb")).toEqual(["NVIDIA H200"]);
    expect(await names("0,7,1")).toEqual(["NVIDIA H100 PCIe"]);
    expect(await names("MIG-12345678")).toHaveLength(2);
    expect(await names("")).toBeUndefined();
    expect(await names("-1")).toBeUndefined();
  });

  it("have no curve for what an older driver does not know", async () => {
    const old = buildNvml("-DWITHOUT_PCIE");
    const reader = await openGpuReader(env({ FMLAB_NVML_LIBRARY: old }));
    const { gpuPcieRxMBps: _rx, gpuPcieTxMBps: _tx, ...rest } = SAMPLE;
    expect((await reader?.sample())?.[0]).toEqual(rest);
  });

  it("are none where the library is not there or is another one", async () => {
    const folder = temporaryFolder();
    const missing = join(folder, "libnvidia-ml.so.1");
    rmSync(missing, { force: true });
    expect(await openGpuReader(env({ FMLAB_NVML_LIBRARY: missing }))).toBeUndefined();
    expect(await openGpuReader(env({ FMLAB_NVML_LIBRARY: process.execPath }))).toBeUndefined();
  });
});

withCompiler("fmlab exec on a machine with GPUs", () => {
  const count = async (...more: string[]) => {
    const out = join(temporaryFolder(), "run");
    const set = ["--set", "points=30", "--set", "everyMs=20"];
    const args = ["exec", "runner-test.count", ...set, "--out", out, ...more];
    const { exitCode, stdout, stderr } = await fmlab(args, {
      FMLAB_NVML_LIBRARY: String(library),
      CUDA_VISIBLE_DEVICES: "0",
      NVML_STAND_IN: "old",
    });
    return { exitCode, stdout, stderr, run: exitCode === 0 ? readRunFolder(out) : undefined };
  };

  it("records the card and its counters beside the experiment's points", async () => {
    const { run, stdout } = await count("--gpu-sample", "100");
    const { powerLimitW: _limit, ...card } = H100;
    expect(run?.record.machine.gpus).toEqual([card]);
    const metrics = run?.metrics ?? [];
    expect(metrics.filter(({ key }) => key === "count")).toHaveLength(30);
    const power = metrics.filter(({ key }) => key === "gpuPowerW");
    expect(power.length).toBeGreaterThan(1);
    for (const { step, value, timeMs } of power) {
      expect(value).toBe(120.5);
      expect(Math.abs(step * 1_000 - timeMs)).toBeLessThanOrEqual(0.5);
    }
    expect(power.map(({ step }) => step)).toEqual(
      power.map(({ step }) => step).sort((a, b) => a - b),
    );
    expect(metrics.some(({ key }) => key.startsWith("gpuPcieRx"))).toBe(false);
    expect(stdout).toMatch(/GPU power +120\.5 +W/);
  });

  it("measures nothing with --gpu-sample 0, and refuses an interval that is too short", async () => {
    const { run } = await count("--gpu-sample", "0");
    expect(run?.metrics.every(({ key }) => key === "count")).toBe(true);
    expect(run?.record.machine.gpus).toHaveLength(1);
    const short = await count("--gpu-sample", "20");
    expect(short.exitCode).toBe(2);
    expect(short.stderr).toContain("--gpu-sample 20 must be 0 (off) or at least 100 ms");
  });
});

withCompiler("an agent on a machine with GPUs", () => {
  it("tells the server of its cards, and of every counter while a run goes", async () => {
    const lab = await Lab.open();
    try {
      const driver = { FMLAB_NVML_LIBRARY: String(library), FMLAB_GPU_SAMPLE_MS: "100" };
      await lab.agent("gpu-box", { env: driver });
      const { organizationId } = lab.platform;
      const viewer = lab.platform.as("viewer");
      const [machine] = await viewer.machine.list.query({ organizationId });
      expect(machine?.facts.gpus).toMatchObject([H100, { name: "NVIDIA H200" }]);
      expect(machine?.capabilities).toContain("gpu");
      const [id = ""] = await lab.launch("runner-test.count", { points: 40, everyMs: 20 });
      const run = await lab.ended(id);
      expect(run.state).toBe("SUCCEEDED");
      const own = Object.keys(run.metrics).filter((key) => !key.startsWith("gpu"));
      expect(own).toEqual(["count"]);
      for (const [name, value] of Object.entries(SAMPLE)) {
        expect(run.metrics[`${name}{gpu=0}`]).toMatchObject({
          last: value,
          min: value,
          max: value,
        });
      }
      const seconds = (await lab.points(id, "gpuVramBytes{gpu=1}")).map(([step]) => step);
      expect(seconds.length).toBeGreaterThan(1);
      expect(seconds).toEqual([...new Set(seconds)].sort((a, b) => a - b));
      expect(run.attempts[0]?.reproduction?.machine.gpus[0]).toEqual(H100);
    } finally {
      await lab.close();
    }
  });
});
