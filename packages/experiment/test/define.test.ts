import { describe, expect, it } from "vitest";
import { z } from "zod";
import {
  defineExperiment,
  type ExperimentDefinition,
  isDomainError,
  parseConfig,
  presetConfig,
} from "../src/index.ts";

const config = z.object({
  budgetMiB: z.number().int().min(1).default(64),
  link: z.object({ bandwidthMBps: z.number().default(200) }).prefault({}),
  stages: z.array(z.object({ name: z.string(), ms: z.number().default(1) })).default([]),
});
type Definition = ExperimentDefinition<typeof config>;

const sound: Definition = {
  kind: "room.example",
  version: 1,
  title: "Example",
  question: "Does it hold?",
  config,
  presets: {
    quick: { title: "Quick", description: "Small.", config: { budgetMiB: 2 }, everywhere: true },
    big: { title: "Big", description: "Large.", config: { link: { bandwidthMBps: 9 } } },
  },
  requires: () => ({}),
  fidelity: () => "simulated",
  metrics: {
    hitRate: { title: "Hits", unit: "%", better: "higher", help: "Share.", measured: false },
  },
  views: [{ kind: "line", series: "curve", title: "Curve", help: "Look." }],
  load: async () => ({ run: async () => ({}) }),
};

const view = (series: string) => ({ kind: "line" as const, series, title: "T", help: "H" });
const preset = { title: "P", description: "D", everywhere: true };
const dataFile = { path: "d.csv", room: "data" as const, source: "web", licence: "CC" };

const BROKEN: [what: string, change: Partial<Definition>, problem: RegExp][] = [
  ["a kind without a package", { kind: "decode" }, /kind must look like "package.noun"/],
  ["a kind with capitals", { kind: "Room.decode" }, /kind must look like/],
  ["version 0", { version: 0 }, /version must be an integer >= 1/],
  ["a fractional version", { version: 1.5 }, /version must be an integer >= 1/],
  ["no title", { title: " " }, /title is empty/],
  ["a question that is none", { question: "It holds." }, /must end with a question mark/],
  [
    "a field without a default",
    { config: z.object({ seeds: z.number() }) as unknown as typeof config },
    /config \{\} is not valid: seeds: /,
  ],
  [
    "a field no form can show",
    { config: z.object({ on: z.date().default(new Date(0)) }) as unknown as typeof config },
    /config has no JSON schema, so no form/,
  ],
  [
    "no preset for everyone",
    { presets: { big: { ...preset, everywhere: false, config: {} } } },
    /no preset is marked `everywhere`/,
  ],
  [
    "a preset out of range",
    { presets: { tiny: { ...preset, config: { budgetMiB: 0 } } } },
    /preset tiny is not valid: budgetMiB: /,
  ],
  [
    "a preset with a misspelt field",
    { presets: { typo: { ...preset, config: { budgetMib: 4 } as object } } },
    /preset typo is not valid: budgetMib: there is no such field/,
  ],
  [
    "a preset for everyone that needs a GPU",
    { requires: () => ({ gpu: true }) },
    /preset quick: runs everywhere, yet needs a GPU/,
  ],
  [
    "a preset for everyone that needs third-party data",
    { requires: () => ({ files: [dataFile] }) },
    /preset quick: runs everywhere, yet needs third-party data: d\.csv/,
  ],
  [
    "requirements that throw",
    {
      requires: () => {
        throw new Error("no such model");
      },
    },
    /config \{\}: its requirements cannot be told: no such model/,
  ],
  ["an unknown fidelity", { fidelity: () => "guessed" as "measured" }, /fidelity guessed is not/],
  ["no metrics", { metrics: {} }, /no metrics are declared/],
  [
    "a metric in snake case",
    { metrics: { hit_rate: sound.metrics.hitRate as Definition["metrics"][string] } },
    /metric hit_rate must be camelCase/,
  ],
  [
    "a metric without help",
    { metrics: { hitRate: { ...(sound.metrics.hitRate as object), help: " " } as never } },
    /metric hitRate has no help text/,
  ],
  ["two views of a series", { views: [view("a"), view("a")] }, /two views draw the series a/],
  [
    "gap lanes of what has no lanes",
    { views: [{ ...view("a"), gapLanes: ["compute"] }] },
    /the view of a has gapLanes, but only a timeline has lanes/,
  ],
  ["a series that is no file name", { views: [view("../a")] }, /series name "\.\.\/a" is no plain/],
];

describe("defineExperiment", () => {
  it("gives a sound definition back as it is", () => {
    expect(defineExperiment(sound)).toBe(sound);
  });

  it.each(BROKEN)("refuses %s, naming the experiment", (_, change, problem) => {
    const definition = { ...sound, ...change };
    let thrown: unknown;
    try {
      defineExperiment(definition);
    } catch (error) {
      thrown = error;
    }
    expect(isDomainError(thrown)).toBe(true);
    expect(thrown).toMatchObject({
      message: expect.stringContaining(`experiment ${definition.kind} is broken: `),
      failure: {
        code: "BROKEN_DEFINITION",
        kind: definition.kind,
        problem: expect.stringMatching(problem),
      },
    });
  });

  it("says which experiment it is even when the kind is empty", () => {
    expect(() => defineExperiment({ ...sound, kind: "" })).toThrowError(/\(without a kind\)/);
  });
});

describe("parseConfig", () => {
  const definition = defineExperiment(sound);
  const problemsOf = (given: unknown) => {
    try {
      parseConfig(definition, given);
    } catch (error) {
      return isDomainError(error) ? error.failure : error;
    }
    return "no error";
  };

  it("fills in every default, also of nothing at all", () => {
    const defaults = { budgetMiB: 64, link: { bandwidthMBps: 200 }, stages: [] };
    expect(parseConfig(definition, {})).toEqual(defaults);
    expect(parseConfig(definition, undefined)).toEqual(defaults);
    expect(parseConfig(definition, null)).toEqual(defaults);
    expect(parseConfig(definition, { stages: [{ name: "a" }] })).toEqual({
      ...defaults,
      stages: [{ name: "a", ms: 1 }],
    });
  });

  it("tells all wrong fields at once, each by its path", () => {
    expect(problemsOf({ budgetMiB: 0.5, link: { bandwidthMBps: "fast" }, extra: 1 })).toMatchObject(
      {
        code: "BAD_CONFIG",
        kind: "room.example",
        problems: [
          { path: "budgetMiB" },
          { path: "link.bandwidthMBps" },
          { path: "extra", message: "there is no such field" },
        ],
      },
    );
  });

  it("refuses a misspelt field inside a nested object and says what there is", () => {
    expect(problemsOf({ link: { bandwithMBps: 5 } })).toMatchObject({
      problems: [
        { path: "link.bandwithMBps", message: "there is no such field; there are bandwidthMBps" },
      ],
    });
    expect(problemsOf({ stages: [{ name: "a" }, { name: "b", mS: 2 }] })).toMatchObject({
      problems: [{ path: "stages.1.mS" }],
    });
  });

  it.each([[[]], ["text"], [7]])("refuses %j, which is no object", (given) => {
    expect(problemsOf(given)).toMatchObject({ code: "BAD_CONFIG", problems: [{ path: "" }] });
  });
});

describe("presetConfig", () => {
  const definition = defineExperiment(sound);

  it("gives a preset with the defaults filled in", () => {
    expect(presetConfig(definition, "big")).toEqual({
      budgetMiB: 64,
      link: { bandwidthMBps: 9 },
      stages: [],
    });
  });

  it.each(["huge", "", "constructor", "__proto__"])(
    "refuses the name %j with those there are",
    (name) => {
      expect(() => presetConfig(definition, name)).toThrowError(
        expect.objectContaining({
          message: `room.example has no preset "${name}"; it has quick, big`,
          failure: {
            code: "UNKNOWN_PRESET",
            kind: "room.example",
            preset: name,
            known: ["quick", "big"],
          },
        }),
      );
    },
  );
});
