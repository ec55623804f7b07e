import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { encodeGguf, TENSOR_TYPE } from "@fmlab/ggml";
import { describe, expect, it, vi } from "vitest";
import { readModelHeader } from "../src/cli/model-header.ts";
import { tableText } from "../src/cli/table-text.ts";
import { fmlab, fmlabHere, temporaryFolder } from "./fixtures/command.ts";

const file = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const MODEL = file("models/tiny-story-moe.q8_0.gguf");
/** The experiment that plans; the command knows no other in a test. */
const PLAN = ["--experiments", file("packages/moe-offload/src/definitions/plan.ts")];

describe("fmlab doctor --model", () => {
  it("plans for the shipped model: facts, how to run it, how fast, and why", async () => {
    const limits = ["--memory-mib", "12", "--link-mbps", "200", "--tokens", "32"];
    const { exitCode, stdout, stderr } = await fmlab([
      "doctor",
      "--model",
      MODEL,
      ...limits,
      ...PLAN,
    ]);
    expect(stderr).toBe("");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/architecture +qwen2moe/);
    expect(stdout).toMatch(/routed experts +25\.5 MiB \(q8_0\)/);
    expect(stdout).toMatch(/supported +yes/);
    expect(stdout).toMatch(/recommended +in 12 MiB: a cache of experts/);
    expect(stdout).toMatch(/predicted +[\d.]+ tokens\/s \(95 %: [\d.]+ to [\d.]+\)/);
    expect(stdout).toMatch(/fmlab exec moe-offload\.decode .*--set 'link\.bandwidthMBps=200'/);
    for (const title of ["Layers", "Strategies", "What would help", "Longer contexts", "Why"]) {
      expect(stdout).toContain(`\n${title}. `);
    }
  });

  it("tells what is in a file that it cannot run, and why not", async () => {
    const path = join(temporaryFolder(), "other.gguf");
    const metadata: [string, { type: "string"; value: string }][] = [
      ["general.architecture", { type: "string", value: "mamba" }],
      ["general.name", { type: "string", value: "no mixture" }],
    ];
    const bytes = new Uint8Array(16);
    const tensors = [{ name: "a.weight", type: TENSOR_TYPE.F32, shape: [4], bytes }];
    writeFileSync(path, encodeGguf({ metadata, tensors }));
    const header = readModelHeader(path);
    expect(header).toMatchObject({ architecture: "mamba", expertBytes: 0, denseBytes: 16 });
    const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
    const { exitCode } = await fmlabHere(["doctor", "--model", path, "--json", ...PLAN]);
    const told = JSON.parse(write.mock.calls.map(([text]) => text).join(""));
    write.mockRestore();
    expect(exitCode).toBe(1);
    expect(told).toMatchObject({
      ok: false,
      header: { name: "no mixture", layerCount: 0 },
      problem: { code: "UNSUPPORTED_ARCHITECTURE" },
    });
    expect(told.problem.message).toContain("qwen2moe");
  });

  it("refuses what is no model and numbers that are none", async () => {
    const refused = async (...args: string[]) => fmlabHere(["doctor", "--model", ...args, ...PLAN]);
    const text = await refused(file("README.md"));
    expect(text.exitCode).not.toBe(0);
    expect(text.stderr).toContain("is not a GGUF file");
    const missing = await refused("no-such-model.gguf");
    expect(missing.exitCode).toBe(2);
    expect(missing.stderr).toContain("was not found");
    const memory = await refused(MODEL, "--memory-mib", "much");
    expect(memory.exitCode).toBe(2);
    expect(memory.stderr).toContain("--memory-mib must be a number above 0");
    const alone = await fmlabHere(["doctor", "--tokens", "5"]);
    expect(alone).toMatchObject({ exitCode: 2, stderr: "--tokens needs --model" });
    const machine = await refused(MODEL, "--machine", "abacus");
    expect(machine.exitCode).toBe(2);
    expect(machine.stderr).toContain("phone-ufs");
  });
});

it("aligns tables: titles with units, numbers to the right, long cells cut", () => {
  const table = {
    kind: "table" as const,
    columns: [
      { key: "name", title: "Name", unit: "", type: "text" as const },
      { key: "speed", title: "Speed", unit: "tok/s", type: "number" as const },
    ],
    rows: [
      { name: "a", speed: 1234.567 },
      { name: "x".repeat(90), speed: null },
    ],
  };
  const [head = "", first = "", second = ""] = tableText(table).split("\n");
  expect(head).toBe(`${"Name".padEnd(72)}  Speed (tok/s)`);
  expect(first).toBe(`${"a".padEnd(72)}           1235`);
  expect(second).toBe(`${"x".repeat(69)}...              -`);
});
