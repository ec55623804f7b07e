import { spawnSync } from "node:child_process";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";

const here = import.meta.dirname;
const root = path.resolve(here, "../../..");
const url = (file: string) => pathToFileURL(path.resolve(here, file)).href;

/** Runs a line of TypeScript in a new process in which native modules cannot be loaded. */
function runBlocked(code: string): { status: number | null; output: string } {
  const child = spawnSync(
    process.execPath,
    [
      "--import",
      "tsx",
      "--import",
      url("fixtures/block-native.mjs"),
      "--input-type=module",
      "-e",
      code,
    ],
    { cwd: root, encoding: "utf8", timeout: 60_000 },
  );
  return { status: child.status, output: child.stdout + child.stderr };
}

describe("the registry", () => {
  it("loads, with every definition, in a process without native modules", {
    timeout: 60_000,
  }, () => {
    const { status, output } = runBlocked(
      `const { experiments, describeExperiment } = await import("${url("../src/index.ts")}");
       for (const d of experiments.values()) describeExperiment(d);
       console.log("kinds:", [...experiments.keys()].join(" "));`,
    );
    expect(output).toMatch(/kinds: .*moe-offload\.decode/);
    expect(status).toBe(0);
  });

  it.each([
    ['await import("koffi")', "module refused: koffi"],
    ['await import("pg")', "module refused: pg"],
    ['await import("@fmlab/ggml")', "module refused: @fmlab/ggml"],
    ['process.getBuiltinModule("module").createRequire("/x/y.js")("koffi")', "refused: koffi"],
    ['process.dlopen({}, "/x/y.node")', "native module refused: /x/y.node"],
  ])("would fail here on %s", { timeout: 60_000 }, (code, message) => {
    const { status, output } = runBlocked(code);
    expect(output).toContain(message);
    expect(status).not.toBe(0);
  });
});
