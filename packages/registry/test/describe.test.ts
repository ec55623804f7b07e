import { describe, expect, it } from "vitest";
import { listConfigFields } from "../src/config-fields.ts";
import { describeExperiment } from "../src/describe.ts";
import { renderExperimentDocs, renderExperimentPage } from "../src/experiment-page.ts";
import { example } from "./fixtures/example.ts";

describe("describeExperiment", () => {
  const told = describeExperiment(example());

  it("fills in defaults and presets completely", () => {
    expect(told.defaults).toEqual({
      budgetMiB: 64,
      policy: "lru",
      link: { bandwidthMBps: 200, latencyMs: 0 },
      prompts: ["Once upon a time"],
      limit: "none",
      note: null,
    });
    expect(told.presets.wide).toEqual({
      title: "Wide",
      description: "Large.",
      everywhere: false,
      config: { ...told.defaults, link: { bandwidthMBps: 900, latencyMs: 0 } },
    });
    expect(told.presets.quick?.everywhere).toBe(true);
  });

  it("tells requirements and fidelity of the default config", () => {
    expect(told.requires.memoryBytes).toBe(64 * 2 ** 20);
    expect(told.fidelity).toBe("emulated");
  });

  it("is plain JSON: it survives a round trip", () => {
    expect(JSON.parse(JSON.stringify(told))).toEqual(told);
  });
});

describe("listConfigFields", () => {
  const { jsonSchema, defaults } = describeExperiment(example());

  it("tells each field, nested ones by dotted path, with type, default and help", () => {
    expect(listConfigFields(jsonSchema, defaults)).toEqual([
      {
        path: "budgetMiB",
        type: "integer 1..4096",
        defaultValue: 64,
        help: "Memory for experts | slots, MiB.",
      },
      {
        path: "policy",
        type: '"lru" or "resident"',
        defaultValue: "lru",
        help: "Which expert leaves.",
      },
      {
        path: "link.bandwidthMBps",
        type: "number > 0",
        defaultValue: 200,
        help: "Bytes a second, in units of 10^6.",
      },
      {
        path: "link.latencyMs",
        type: "number >= 0",
        defaultValue: 0,
        help: "Delay before the first byte.",
      },
      {
        path: "prompts",
        type: "list of text (0..100 characters) (1..8 items)",
        defaultValue: ["Once upon a time"],
        help: "",
      },
      { path: "limit", type: '"none" or integer >= 1', defaultValue: "none", help: "" },
      { path: "note", type: "text or null", defaultValue: null, help: "" },
    ]);
  });
});

describe("renderExperimentPage", () => {
  const page = renderExperimentPage(example());

  it("tells title, question, paper, fidelity and how to run it", () => {
    expect(page).toContain("# An example\n");
    expect(page).toContain("**Does the page tell what the definition says?**");
    expect(page).toContain("arXiv:0000.00000");
    expect(page).toContain("**emulated**");
    expect(page).toContain("`ggml`, `m.gguf` (shipped; Apache-2.0)");
    expect(page).toContain("fmlab exec test-room.example --seed 1");
  });

  it("has a row a field, escaping what would break the table", () => {
    expect(page).toContain(
      "| `budgetMiB` | integer 1..4096 | `64` | Memory for experts \\| slots, MiB. |",
    );
    expect(page).toContain("| `link.latencyMs` | number >= 0 | `0` |");
  });

  it("has every metric with unit and direction, every preset and every view", () => {
    expect(page).toContain("| `hitRate` | Hit rate | % | higher | no | Hits. |");
    expect(page).toContain("| `waitMs` | Wait | ms | lower | yes | Stall. |");
    expect(page).toContain("### `quick`: Quick\n\nSmall. Runs on every install.");
    expect(page).toContain("### `wide`: Wide\n\nLarge.\n\n| Field | Value |");
    expect(page).toContain("| `link.bandwidthMBps` | `900` |");
    expect(page).not.toContain("| `budgetMiB` | `64` |");
    expect(page).toContain("| `curve` | line | Curve | It should fall. |");
  });

  it("is one of a page an experiment and an index that links them all", () => {
    const docs = renderExperimentDocs([example({ kind: "room.b" }), example({ kind: "room.a" })]);
    expect([...docs.keys()]).toEqual(["room.b.md", "room.a.md", "README.md"]);
    const index = docs.get("README.md") ?? "";
    expect(index.indexOf("[`room.a`](room.a.md)")).toBeGreaterThan(0);
    expect(index.indexOf("[`room.b`](room.b.md)")).toBeGreaterThan(index.indexOf("room.a.md"));
  });
});
