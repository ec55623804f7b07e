import { describe, expect, it } from "vitest";
import { isAffected } from "../src/features/live/affected-queries.ts";
import { batchEvents } from "../src/features/live/batch-events.ts";

const key = (path: string, input: object) => [path.split("."), { input, type: "query" }];
const told = (what: string[]) => ({ runId: "r1", projectId: "p1", what });

describe("which queries an event makes stale", () => {
  it.each([
    ["run.get", { runId: "r1" }, ["progress"], true],
    ["run.get", { runId: "r2" }, ["progress"], false],
    ["run.metrics", { runId: "r1", keys: ["a"] }, ["metrics"], true],
    ["run.metrics", { runId: "r1" }, ["logs"], false],
    ["run.logs", { runId: "r1", follow: true }, ["logs"], true],
    ["run.series", { runId: "r1", name: "x" }, ["series"], true],
    ["run.list", { projectId: "p1" }, ["state"], true],
    ["run.list", { projectId: "p2" }, ["state"], false],
    ["run.list", { projectId: "p1" }, ["logs"], false],
    ["run.stats", { projectId: "p1" }, ["created"], true],
    ["machine.list", { organizationId: "o" }, ["state"], true],
    ["session.me", {}, ["state", "metrics", "logs"], false],
  ])("%s of %j after %j: %s", (path, input, what, stale) => {
    expect(isAffected(key(path, input), told(what))).toBe(stale);
  });
});

describe("batches of events", () => {
  function batches() {
    const tasks: (() => void)[] = [];
    const handed: number[][] = [];
    const batch = batchEvents<number>(
      400,
      (items) => handed.push(items),
      (task) => {
        tasks.push(task);
        return () => tasks.splice(tasks.indexOf(task), 1);
      },
    );
    const pass = () => tasks.shift()?.();
    return { batch, handed, pass, tasks };
  }

  it("hand the first over at once and what follows together", () => {
    const { batch, handed, pass } = batches();
    batch.add(1);
    batch.add(2);
    batch.add(3);
    expect(handed).toEqual([[1]]);
    pass();
    expect(handed).toEqual([[1], [2, 3]]);
  });

  it("are at once again after a quiet time", () => {
    const { batch, handed, pass, tasks } = batches();
    batch.add(1);
    pass();
    expect(tasks).toHaveLength(0);
    batch.add(2);
    expect(handed).toEqual([[1], [2]]);
  });

  it("hand nothing over once stopped", () => {
    const { batch, handed, tasks } = batches();
    batch.add(1);
    batch.add(2);
    batch.stop();
    expect(tasks).toHaveLength(0);
    expect(handed).toEqual([[1]]);
  });
});
