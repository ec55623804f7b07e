import { setTimeout as wait } from "node:timers/promises";
import { afterAll, describe, expect, it } from "vitest";
import { countedPoints, Lab } from "./fixtures/lab.ts";

/** A lease lapses after 15 s; the reaper then acts within a few seconds. */
const PATIENCE_MS = 60_000;

const labs: Lab[] = [];

/** The tests wait for leases to lapse: each has a server of its own, so that they can wait together. */
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
    "of the server, longer than a lease, costs no point and no attempt",
    async () => {
      const lab = await openLab();
      await lab.agent("patient");
      const [id = ""] = await lab.launch("runner-test.count", { points: 150, everyMs: 40 });
      await lab.until(id, (run) => run.progress.done >= 20);
      await lab.platform.stopServer();
      // Longer than a lease; the run ends meanwhile.
      await wait(20_000);
      await lab.platform.startServer();
      const run = await lab.ended(id);
      expect([run.state, run.attempts.length]).toEqual(["SUCCEEDED", 1]);
      expect(await lab.points(id)).toEqual(countedPoints(150));
    },
    PATIENCE_MS,
  );
});
