import { describe, expect, it } from "vitest";
import { progressOfRuns } from "../src/cli/wait-for-runs.ts";

const run = (state: string, done = 0, total = 0, label = "") => ({
  state,
  progress: { done, total, label },
});

describe("the progress of launched runs", () => {
  it("is one run's own", () => {
    expect(progressOfRuns([run("RUNNING", 3, 20, "counting")], 1)).toEqual({
      done: 3,
      total: 20,
      label: "RUNNING counting",
    });
  });

  it("begins at nothing of something, so that a bar can be drawn", () => {
    expect(progressOfRuns([], 1)).toEqual({ done: 0, total: 1, label: "QUEUED" });
    expect(progressOfRuns([], 3)).toMatchObject({ done: 0, total: 3 });
  });

  it("counts each of several runs as one, those under way by their share", () => {
    const runs = [
      run("SUCCEEDED", 9, 10),
      run("RUNNING", 1, 3),
      run("RUNNING", 1, 0),
      run("QUEUED"),
    ];
    expect(progressOfRuns(runs, 5)).toEqual({
      done: 1.33,
      total: 5,
      label: "1 of 5 ended, 2 running",
    });
  });
});
