import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { gone, startFmlab } from "./fixtures/command.ts";
import { countedPoints, Lab } from "./fixtures/lab.ts";

const wrongClock = fileURLToPath(new URL("./fixtures/wrong-clock.mjs", import.meta.url));
/** A lease lapses after 15 s; the reaper then acts within a few seconds. */
const PATIENCE_MS = 60_000;
const OUTAGE_MS = 60_000;

const labs: Lab[] = [];

/**
 * The tests wait for leases to lapse: each has a server of its own, so that they can wait together.
 */
async function openLab(): Promise<Lab> {
  const lab = await Lab.open();
  labs.push(lab);
  return lab;
}

afterAll(async () => {
  await Promise.all(labs.map((lab) => lab.close()));
});

describe.concurrent("an outage", () => {
  it(
    "of an agent costs no point: another takes its run over within 30 s",
    async () => {
      const lab = await openLab();
      const first = await lab.agent("first");
      const [id = ""] = await lab.launch("runner-test.count", { points: 80, everyMs: 50 });
      await lab.until(id, (run) => run.progress.done >= 10);
      await lab.crash(first);
      const crashed = performance.now();
      await lab.agent("second");
      await lab.until(id, (run) => run.attempts.length === 2 && run.state === "RUNNING");
      expect(performance.now() - crashed).toBeLessThan(30_000);
      const run = await lab.ended(id);
      expect(run.state).toBe("SUCCEEDED");
      expect(run.attempts.map((attempt) => [attempt.state, attempt.machineName])).toEqual([
        ["LOST", "first"],
        ["SUCCEEDED", "second"],
      ]);
      expect(await lab.points(id)).toEqual(countedPoints(80));
    },
    PATIENCE_MS,
  );

  it(
    "of the server for a minute costs no point and no attempt",
    async () => {
      const lab = await openLab();
      await lab.agent("patient");
      const [id = ""] = await lab.launch("runner-test.count", { points: 150, everyMs: 40 });
      await lab.until(id, (run) => run.progress.done >= 20);
      await lab.platform.stopServer();
      // Several leases long; the run ends meanwhile.
      await wait(OUTAGE_MS);
      await lab.platform.startServer();
      const run = await lab.ended(id);
      expect([run.state, run.attempts.length]).toEqual(["SUCCEEDED", 1]);
      expect(await lab.points(id)).toEqual(countedPoints(150));
    },
    OUTAGE_MS + PATIENCE_MS,
  );
});

describe.concurrent("agents of a real server", () => {
  it("share ten runs, each done once", async () => {
    const lab = await openLab();
    await lab.agent("a");
    await lab.agent("b");
    const ids = await lab.launch(
      "runner-test.count",
      { points: 3 },
      { seeds: Array.from({ length: 10 }, (_, seed) => seed) },
    );
    const machines = new Set<string | null>();
    for (const id of ids) {
      const run = await lab.ended(id);
      expect([run.state, run.attempts.length]).toEqual(["SUCCEEDED", 1]);
      expect(await lab.points(id)).toEqual(countedPoints(3, run.seed));
      machines.add(run.machineName);
    }
    expect([...machines].sort()).toEqual(["a", "b"]);
  }, 60_000);

  it("hand a run back when they are stopped, and another takes it up", async () => {
    const lab = await openLab();
    const first = await lab.agent("leaving", { args: ["--shutdown-grace", "0"] });
    const [id = ""] = await lab.launch("runner-test.count", { points: 100, everyMs: 50 });
    await lab.until(id, (run) => run.progress.done >= 3);
    expect((await lab.retire(first)).exitCode).toBe(0);
    await lab.agent("staying");
    const run = await lab.ended(id);
    // Handed back, so FAILED; an attempt whose lease had to lapse first would be LOST.
    expect(run.attempts.map(({ state, failure }) => [state, failure?.code])).toEqual([
      ["FAILED", "HOST_LOST"],
      ["SUCCEEDED", undefined],
    ]);
    expect(await lab.points(id)).toEqual(countedPoints(100));
  });

  it("work under a wrong and jumping wall clock", async () => {
    const lab = await openLab();
    await lab.agent("confused", { env: { NODE_OPTIONS: `--import ${wrongClock}` } });
    const [id = ""] = await lab.launch("runner-test.count", { points: 20, everyMs: 20 });
    const run = await lab.ended(id);
    expect(run.state).toBe("SUCCEEDED");
    expect(run.durationMs).toBeGreaterThan(300);
    expect(run.durationMs).toBeLessThan(10_000);
    const chunks = await lab.platform.db.metricChunk.findMany({
      where: { attempt: { runId: id } },
    });
    for (const timeMs of chunks.flatMap((chunk) => chunk.timesMs)) {
      expect(timeMs).toBeGreaterThanOrEqual(0);
      expect(timeMs).toBeLessThan(10_000);
    }
    expect(JSON.stringify(run.attempts[0]?.reproduction)).not.toMatch(/20[3-9]\d-/);
  });

  it("take no run of another version and say what to do about it", async () => {
    const lab = await openLab();
    const env = { FMLAB_TOKEN: lab.platform.agentToken, FMLAB_URL: lab.platform.url };
    const module = fileURLToPath(new URL("./fixtures/newer-experiments.ts", import.meta.url));
    const newer = startFmlab(["agent"], { env: { ...env, FMLAB_EXTRA_EXPERIMENTS: module } });
    const { exitCode, stderr } = await newer.finished;
    expect(exitCode).toBe(3);
    expect(stderr).toContain("version 2 of runner-test.count, the server 1");
    expect(stderr).toContain("npm ci");
  });

  it("are refused with a wrong token, and say so", async () => {
    const lab = await openLab();
    const env = { FMLAB_TOKEN: "wrong", FMLAB_URL: lab.platform.url };
    const { exitCode, stderr } = await startFmlab(["agent"], { env }).finished;
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(/token/i);
  });
});

describe.concurrent("a run of a real agent", () => {
  it("that goes wrong is told by its state and code, and is not tried again", async () => {
    const lab = await openLab();
    await lab.agent("faults", { args: ["--cancel-grace", "0", "--heap-mib", "128"] });
    const wanted: [how: string, state: string, code: string][] = [
      ["throw", "FAILED", "EXPERIMENT_ERROR"],
      ["exit", "FAILED", "EXPERIMENT_ERROR"],
      ["bad-alloc", "FAILED", "OUT_OF_MEMORY"],
      ["heap", "FAILED", "OUT_OF_MEMORY"],
      ["sigkill", "FAILED", "KILLED_BY_SIGNAL"],
      ["busy", "TIMED_OUT", "TIMED_OUT"],
    ];
    for (const [how, state, code] of wanted) {
      const timeLimitSec = how === "busy" ? 1 : 60;
      const [id = ""] = await lab.launch("runner-test.fault", { how }, { timeLimitSec });
      const run = await lab.ended(id);
      expect([how, run.state, run.failureCode, run.attempts.length]).toEqual([how, state, code, 1]);
      expect(await lab.points(id)).toEqual([[0, 1]]);
    }
  });

  it("can be cancelled while it waits, while it is prepared and while it runs", async () => {
    const lab = await openLab();
    const cancel = (runId: string) => lab.platform.as("member").run.cancel.mutate({ runId });
    await lab.agent("canceller", { args: ["--cancel-grace", "1"] });
    const [prepared = ""] = await lab.launch("runner-test.loading", {});
    await lab.until(prepared, (run) => run.state === "CLAIMED");
    const [waiting = ""] = await lab.launch("runner-test.count", { points: 5 });
    expect((await lab.run(waiting)).state).toBe("QUEUED");
    expect((await cancel(waiting)).state).toBe("CANCELLED");
    await cancel(prepared);
    expect((await lab.ended(prepared)).state).toBe("CANCELLED");
    const [running = ""] = await lab.launch("runner-test.fault", { how: "grandchild" });
    await lab.until(running, (run) => run.state === "RUNNING");
    const { lines } = await lab.platform.as("member").run.logs.query({ runId: running });
    expect((await cancel(running)).state).toBe("CANCELLING");
    expect((await cancel(running)).state).toBe("CANCELLING");
    expect((await lab.ended(running)).state).toBe("CANCELLED");
    for (const { text } of lines) await gone(Number(text.split(" ")[1]));
    expect((await cancel(running)).state).toBe("CANCELLED");
  });
});
