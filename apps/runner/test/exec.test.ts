import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { repositoryRoot } from "../src/repository.ts";
import { readRunFolder } from "../src/sink/run-folder-reader.ts";
import { fmlab, fmlabHere, gone, startFmlab, temporaryFolder } from "./fixtures/command.ts";

const fault = (how: string, out: string, ...more: string[]) =>
  fmlab(["exec", "runner-test.fault", "--set", `how=${how}`, "--out", out, "--json", ...more]);

describe("fmlab exec", () => {
  it("writes a run folder with every point, line, picture and artifact", async () => {
    const out = join(temporaryFolder(), "run");
    const { exitCode, stdout } = await fmlab([
      "exec",
      "runner-test.count",
      "--preset",
      "quick",
      "--set",
      "layers=2",
      "--set",
      "artifactBytes=1000",
      "--seed",
      "7",
      "--out",
      out,
    ]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain("SUCCEEDED");
    const run = readRunFolder(out);
    expect(run.record).toMatchObject({
      kind: "runner-test.count",
      seed: 7,
      state: "SUCCEEDED",
      failure: null,
      fidelity: "simulated",
      preset: null,
      config: { points: 20, layers: 2 },
      notes: { directReads: false },
    });
    const counted = run.metrics.filter((point) => point.key === "count");
    expect(counted.map((point) => [point.step, point.value])).toEqual(
      Array.from({ length: 20 }, (_, i) => [i, i * 10 + 7]),
    );
    expect(run.metrics.filter((point) => point.key === "depth{layer=1}")).toHaveLength(20);
    expect(run.log.map((entry) => entry.text)).toEqual(["counting to 20", "at 0", "at 10"]);
    expect(run.summary).toEqual({ count: 20, seed: 7 });
    expect(run.series).toEqual([
      { name: "curve", data: expect.objectContaining({ curves: [{ name: "a", y: [7, null] }] }) },
    ]);
    expect(readFileSync(join(out, "artifacts/bytes.bin"))).toEqual(Buffer.alloc(1000, 7));
  });

  it("gives the same bytes for the same seed, but for times and names", async () => {
    const outs = [join(temporaryFolder(), "a"), join(temporaryFolder(), "b")];
    await Promise.all(
      outs.map((out) => fmlab(["exec", "runner-test.count", "--out", out, "--quiet"])),
    );
    const [a, b] = outs.map((out) => {
      const { metrics, summary, series } = readRunFolder(out);
      return {
        metrics: metrics.map(({ key, step, value }) => [key, step, value]),
        summary,
        series,
      };
    });
    expect(a).toEqual(b);
  });

  it("writes no host name, user's folder or absolute path", async () => {
    const out = join(temporaryFolder(), "run");
    const secret = join(temporaryFolder(), "weights.gguf");
    writeFileSync(secret, "w");
    await fmlab(["exec", "runner-test.count", "--set", `file=${secret}`, "--out", out]);
    const failed = join(temporaryFolder(), "run");
    await fault("throw", failed);
    for (const folder of [out, failed]) {
      for (const name of ["run.json", "log.txt", "summary.json"]) {
        const text = readFileSync(join(folder, name), "utf8");
        for (const word of [repositoryRoot, homedir(), "/tmp", folder, hostname()]) {
          if (word.length > 3) expect(text).not.toContain(word);
        }
      }
    }
    expect(readRunFolder(out).record).toMatchObject({
      config: { file: "weights.gguf" },
      notes: { configScrubbed: true },
    });
    expect(readRunFolder(out).record.inputs).toEqual([
      {
        path: "<path>/weights.gguf",
        sizeBytes: 1,
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
    ]);
    expect(readRunFolder(failed).record.failure?.detail).toContain(
      "apps/runner/test/fixtures/fault.ts",
    );
  });

  it("keeps config and generated text to the letter, so that it can be run again", async () => {
    const out = join(temporaryFolder(), "run");
    const prompt = `He opened /etc/passwd and ${tmpdir()}/x, and read /home/alice/letter`;
    const config = join(temporaryFolder(), "config.json");
    writeFileSync(config, JSON.stringify({ prompt, points: 3 }));
    await fmlab(["exec", "runner-test.count", "--config", config, "--out", out]);
    const { record, series } = readRunFolder(out);
    expect(record.config).toMatchObject({ prompt, file: "" });
    expect(record.notes).toEqual({ directReads: false });
    expect(series.find((one) => one.name === "output")?.data).toEqual({
      kind: "text",
      blocks: [{ title: "1", prompt, text: prompt }],
    });
  });

  it.each([
    ["exit", "EXPERIMENT_ERROR", "exit code 7"],
    ["undeclared", "EXPERIMENT_ERROR", "declared are count"],
    ["buffer", "OUT_OF_MEMORY", "allocation failed"],
    ["abort", "KILLED_BY_SIGNAL", "SIGABRT"],
  ])("tells a run that ends by %s as %s", async (how, code, told) => {
    const out = join(temporaryFolder(), "run");
    const { exitCode, stdout } = await fault(how, out);
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout).failure.code).toBe(code);
    const run = readRunFolder(out);
    expect(run.record.state).toBe("FAILED");
    expect(run.record.failure?.code).toBe(code);
    expect(run.record.failure?.message).toContain(told);
    expect(run.metrics.map((point) => point.value)).toEqual([1]);
  });

  it("ends a run at its time limit even when it never yields", async () => {
    const out = join(temporaryFolder(), "run");
    const { exitCode } = await fault("busy", out, "--time-limit", "1", "--cancel-grace", "0");
    expect(exitCode).toBe(124);
    const { record, metrics } = readRunFolder(out);
    expect(record.state).toBe("TIMED_OUT");
    expect(record.failure?.code).toBe("TIMED_OUT");
    expect(metrics).toHaveLength(1);
  });

  it("keeps the summary of a run that stops when it is asked to", async () => {
    const out = join(temporaryFolder(), "run");
    const run = startFmlab(["exec", "runner-test.fault", "--set", "how=polite", "--out", out]);
    await run.shown("pid ");
    run.process.kill("SIGINT");
    expect((await run.finished).exitCode).toBe(130);
    const { record, summary } = readRunFolder(out);
    expect(record.state).toBe("CANCELLED");
    expect(summary).toEqual({ count: 41 });
  });

  it("kills the run and what it started at the second interrupt", async () => {
    const out = join(temporaryFolder(), "run");
    const run = startFmlab(["exec", "runner-test.fault", "--set", "how=grandchild", "--out", out]);
    await run.shown("grandchild ");
    run.process.kill("SIGINT");
    await run.shown("press Ctrl-C again");
    run.process.kill("SIGINT");
    expect((await run.finished).exitCode).toBe(130);
    const [own, grandchild] = readRunFolder(out).log.map((entry) =>
      Number(entry.text.split(" ")[1]),
    );
    await gone(own ?? 0);
    await gone(grandchild ?? 0);
  });

  it("leaves a readable folder and no process when it is killed itself", async () => {
    const out = join(temporaryFolder(), "run");
    const run = startFmlab(["exec", "runner-test.fault", "--set", "how=busy", "--out", out]);
    await run.shown("pid ");
    run.process.kill("SIGKILL");
    await run.finished;
    const { record, log, metrics } = readRunFolder(out);
    expect(record.failure?.code).toBe("HOST_LOST");
    expect(metrics).toHaveLength(1);
    await gone(Number(log[0]?.text.split(" ")[1]));
  });

  it("writes a progress bar of a hundred redraws as one line", async () => {
    const out = join(temporaryFolder(), "run");
    await fault("bars", out);
    const texts = readRunFolder(out).log.map((entry) => entry.text);
    expect(texts.filter((text) => text.includes("100"))).toHaveLength(2);
    expect(texts).toContain("100 %");
    expect(texts).toContain("100 of 100");
    expect(texts).toHaveLength(4);
  });

  it("refuses a folder that is not empty, unless it may replace the run in it", async () => {
    const out = temporaryFolder();
    writeFileSync(join(out, "notes.md"), "mine");
    const refused = await fmlabHere(["exec", "runner-test.count", "--out", out]);
    expect(refused.exitCode).toBe(2);
    expect(refused.stderr).toContain("not empty (notes.md)");
    const forced = await fmlab(["exec", "runner-test.count", "--out", out, "--force"]);
    expect(forced.exitCode).toBe(0);
    expect(readFileSync(join(out, "notes.md"), "utf8")).toBe("mine");
  });
});

describe("fmlab exec, called wrongly", () => {
  it.each([
    [["exec", "nothing.here"], "runner-test.count, runner-test.fault"],
    [["exec", "runner-test.count", "--preset", "fast"], "it has quick, slow, needy"],
    [["exec", "runner-test.count", "--set", "points=0"], "points: "],
    [["exec", "runner-test.count", "--set", "pionts=3"], "pionts"],
    [["exec", "runner-test.count", "--set", "points"], "path=value"],
    [["exec", "runner-test.count", "--config", "missing.json"], "cannot be read"],
    [["exec", "runner-test.count", "--seed", "-1"], "--seed"],
    [["exec", "runner-test.count", "--sed", "1"], "unknown option"],
    [["exec"], "missing required argument"],
    [
      ["exec", "runner-test.count", "--preset", "needy"],
      "get it from https://example.org/x (licence: MIT) and put it into the models folder",
    ],
  ])("%j says what was expected and exits with 2", async (args, told) => {
    const { exitCode, stderr } = await fmlabHere(args as string[]);
    expect(stderr).toContain(told);
    expect(exitCode).toBe(2);
  });

  it("says so as a process, too, and as JSON when that is asked for", async () => {
    const { exitCode, stdout, stderr } = await fmlab(["exec", "nothing.here", "--json"]);
    expect(exitCode).toBe(2);
    expect(JSON.parse(stdout).error.code).toBe("UNKNOWN_EXPERIMENT");
    expect(stderr).toContain("known are runner-test.count");
  });

  it("writes nothing when the call is wrong", async () => {
    const out = join(temporaryFolder(), "run");
    await fmlabHere(["exec", "runner-test.count", "--preset", "needy", "--out", out]);
    expect(existsSync(out)).toBe(false);
  });

  it("refuses a module without experiments and one that cannot be imported", async () => {
    const folder = temporaryFolder();
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    writeFileSync(join(folder, "none.ts"), "export const a = 1;");
    writeFileSync(join(folder, "broken.ts"), "throw new Error('no luck');");
    for (const [name, told] of [
      ["none.ts", "exports no experiment"],
      ["broken.ts", "no luck"],
    ]) {
      const module = join(folder, name ?? "");
      const { exitCode, stderr } = await fmlab(["exec", "x.y", "--experiments", module]);
      expect(stderr).toContain(told);
      expect(exitCode).toBe(2);
    }
    rmSync(folder, { recursive: true });
  });
});
