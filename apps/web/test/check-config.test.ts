import { defineExperiment } from "@fmlab/experiment";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { checkConfig, parseConfigText } from "../src/features/launch/check-config.ts";

const experiment = defineExperiment({
  kind: "test.form",
  version: 1,
  title: "Form",
  question: "Does the form check?",
  config: z.object({
    threads: z.int().min(1).max(64).default(1),
    name: z.string().min(1).max(3).default("abc"),
    link: z.object({ speed: z.number().positive().default(1) }).prefault({}),
    prompts: z.array(z.string()).min(1).default(["x"]),
  }),
  presets: { quick: { title: "Quick", description: "", config: {}, everywhere: true } },
  requires: () => ({}),
  fidelity: () => "measured",
  metrics: { n: { title: "N", unit: "", better: "none", help: "Count.", measured: false } },
  views: [],
  load: () => Promise.reject(new Error("never run here")),
});

describe("checking a config as it is typed", () => {
  it("finds nothing wrong with the defaults", () => {
    expect(checkConfig(experiment, {})).toEqual([]);
  });

  it.each([
    [{ threads: "" }, "threads", "Enter a value"],
    [{ threads: "two" }, "threads", "Enter a number"],
    [{ threads: 1.5 }, "threads", "Enter a whole number"],
    [{ threads: 0 }, "threads", "Must be at least 1"],
    [{ threads: 65 }, "threads", "Must be at most 64"],
    [{ name: "" }, "name", "Must be at least 1 characters"],
    [{ name: "long" }, "name", "Must be at most 3 characters"],
    [{ link: { speed: 0 } }, "link.speed", "Must be more than 0"],
    [{ prompts: [] }, "prompts", "Must be at least 1 items"],
    [{ prompts: ["a", 3] }, "prompts.1", "Invalid input: expected string, received number"],
    [{ thread: 1 }, "", "There is no field “thread”"],
  ])("refuses %j at %s with words for people", (config, path, message) => {
    expect(checkConfig(experiment, config)).toEqual([{ path, message }]);
  });

  it("tells every wrong field", () => {
    const problems = checkConfig(experiment, { threads: 0, link: { speed: -1 } });
    expect(problems.map((problem) => problem.path)).toEqual(["threads", "link.speed"]);
  });
});

describe("a config as text", () => {
  it("reads an object and refuses everything else with a reason", () => {
    expect(parseConfigText('{"a":1}')).toEqual({ config: { a: 1 } });
    expect(parseConfigText("[1]")).toEqual({ problem: expect.stringContaining("object") });
    expect(parseConfigText('{"a":')).toEqual({
      problem: expect.stringContaining("not valid JSON"),
    });
  });
});
