import { execFile } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  fmlab,
  fmlabBin,
  startFmlab,
  temporaryFolder,
  testEnvironment,
} from "./fixtures/command.ts";
import { countedPoints, Lab } from "./fixtures/lab.ts";

/** Gives a command a terminal of its own. */
const SCRIPT = "/usr/bin/script";

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.open();
});
afterAll(async () => {
  await lab.close();
});

/** What a command writes on a terminal. */
async function onTerminal(args: string[]): Promise<string> {
  const command = [process.execPath, fmlabBin, ...args].map((word) => `'${word}'`).join(" ");
  const env = { ...testEnvironment(lab.env), TERM: "xterm" };
  const shown = await promisify(execFile)(SCRIPT, ["-qec", command, "/dev/null"], { env });
  return shown.stdout;
}

describe.concurrent("the commands of a real server", () => {
  it("launch, wait for, list, show and print what ran", async () => {
    await lab.agent("one");
    const launch = [
      "launch",
      "runner-test.count",
      "--preset",
      "quick",
      "--seeds",
      "2,4",
      "--wait",
      "--json",
    ];
    const launched = await lab.fmlab(launch);
    expect(launched.exitCode).toBe(0);
    const { runs } = JSON.parse(launched.stdout) as {
      runs: { id: string; seed: number; state: string }[];
    };
    expect(runs.map((run) => [run.seed, run.state])).toEqual([
      [2, "SUCCEEDED"],
      [4, "SUCCEEDED"],
    ]);
    const [first] = runs;
    const id = first?.id ?? "";
    expect(await lab.points(id)).toEqual(countedPoints(20, 2));
    const list = await lab.fmlab(["runs", "--kind", "runner-test.count"]);
    for (const run of runs) expect(list.stdout).toContain(run.id);
    const short = await lab.fmlab(["runs", "--kind", "runner-test.count", "--limit", "1"]);
    expect(short.stdout).toMatch(/the newest 1 of \d+ runs/);
    const show = await lab.fmlab(["runs", "show", id]);
    expect(show.stdout).toMatch(/state +SUCCEEDED/);
    expect(show.stdout).toMatch(/count +20 +2 \.\. 192 +20 points/);
    const logs = await lab.fmlab(["logs", id, "-f"]);
    expect(logs.exitCode).toBe(0);
    expect(
      logs.stdout
        .trimEnd()
        .split("\n")
        .map((line) => line.slice(16)),
    ).toEqual(["counting to 20", "at 0", "at 10"]);
  });

  it("follow a log as it grows and end with the run's exit code when it is cancelled", async () => {
    await lab.agent("other");
    const [id = ""] = await lab.launch("runner-test.fault", { how: "polite" });
    const logs = startFmlab(["logs", id, "--follow"], { env: lab.env });
    await logs.shown("pid ");
    const cancelled = await lab.fmlab(["cancel", id, "--json"]);
    expect(JSON.parse(cancelled.stdout)).toEqual([{ id, state: "CANCELLING" }]);
    expect((await logs.finished).exitCode).toBe(130);
  });

  it("upload a run folder once, however often they are called", async () => {
    const all = temporaryFolder();
    const out = join(all, "one");
    await fmlab(["exec", "runner-test.count", "--set", "artifactBytes=50", "--out", out]);
    const ids: string[] = [];
    for (const created of [true, false, false]) {
      const { stdout, exitCode } = await lab.fmlab(["sync", all, "--json"]);
      expect(exitCode).toBe(0);
      const [result] = JSON.parse(stdout) as { runId: string; created: boolean }[];
      expect(result?.created).toBe(created);
      ids.push(result?.runId ?? "");
    }
    const [id = ""] = ids;
    expect(new Set(ids).size).toBe(1);
    expect(await lab.points(id)).toEqual(countedPoints(20, 0));
    const run = await lab.run(id);
    expect(run).toMatchObject({
      state: "SUCCEEDED",
      fidelity: "simulated",
      summary: { count: 20 },
    });
    const artifacts = await lab.platform.as("member").run.artifacts.query({ runId: id });
    expect(artifacts).toMatchObject([{ name: "bytes.bin", sizeBytes: 50 }]);
    const logs = await lab.fmlab(["logs", id]);
    expect(logs.stdout).toContain("counting to 20");
  });

  it("say which file of a folder is wrong and upload the others all the same", async () => {
    const all = temporaryFolder();
    await fmlab(["exec", "runner-test.count", "--out", join(all, "good")]);
    await fmlab(["exec", "runner-test.count", "--out", join(all, "bad")]);
    writeFileSync(join(all, "bad/metrics.jsonl"), '{"key":"count","step":0}\n');
    const { stdout, stderr, exitCode } = await lab.fmlab(["sync", all]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain("metrics.jsonl line 1");
    expect(stdout).toContain("uploaded");
  });

  it("tell a folder that the server refuses and upload the others all the same", async () => {
    const all = temporaryFolder();
    const first = ["exec", "runner-test.count", "--set", "artifactBytes=50"];
    await fmlab([...first, "--out", join(all, "a")]);
    expect((await lab.fmlab(["sync", all])).exitCode).toBe(0);
    // The same run with another artifact of that name: the server keeps the first.
    writeFileSync(join(all, "a/artifacts/bytes.bin"), "other");
    await fmlab(["exec", "runner-test.count", "--out", join(all, "b")]);
    const { stdout, exitCode } = await lab.fmlab(["sync", all, "--json"]);
    expect(exitCode).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject([
      { error: expect.stringContaining(join(all, "a")) },
      { created: true },
    ]);
  });

  it.skipIf(!existsSync(SCRIPT))("show bars on a terminal", async () => {
    await lab.agent("third");
    const all = temporaryFolder();
    for (const name of ["a", "b"]) {
      await fmlab(["exec", "runner-test.count", "--out", join(all, name)]);
    }
    const sync = await onTerminal(["sync", all]);
    expect(sync).toMatch(/█.* 1\/2 b/);
    expect(sync).toContain(`1/2 ${join(all, "a")}: uploaded`);
    const launch = await onTerminal(["launch", "runner-test.count", "--seeds", "2", "--wait"]);
    expect(launch).toMatch(/█.*2\/2 2 of 2 ended/);
  });

  it("exit with 2 and plain words when the server refuses an input", async () => {
    const args = ["launch", "runner-test.count", "--time-limit", "99999999"];
    const { exitCode, stderr } = await lab.fmlab(args);
    expect(exitCode).toBe(2);
    expect(stderr).toContain("timeLimitSec");
    expect(stderr).not.toContain("{");
    for (const wrong of [
      ["logs", "not-a-uuid"],
      ["runs", "--state", "FOO"],
    ]) {
      expect((await lab.fmlab(wrong)).exitCode).toBe(2);
    }
  });

  it("refuse a wrong config before anything is sent, and a missing server clearly", async () => {
    const wrong = await lab.fmlab(["launch", "runner-test.count", "--set", "points=0"]);
    expect([wrong.exitCode, wrong.stderr.includes("points")]).toEqual([2, true]);
    const nowhere = await fmlab(["runs"], { FMLAB_URL: "http://127.0.0.1:9", FMLAB_TOKEN: "x" });
    expect([nowhere.exitCode, nowhere.stderr.includes("did not answer")]).toEqual([3, true]);
    const unknown = await fmlab(["runs"]);
    expect([unknown.exitCode, unknown.stderr.includes("npm start")]).toEqual([3, true]);
  });
});
