import { defineExperiment } from "@fmlab/experiment";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { foldersOfFiles, recordedConfig } from "../src/context/recorded-config.ts";
import { counting } from "./fixtures/experiments.ts";

const nested = defineExperiment({
  ...counting,
  kind: "runner-test.nested",
  config: z.object({
    note: z.string().default("/opt/alice/note").describe("Any text"),
    parts: z
      .array(z.object({ weights: z.string().describe("A file").meta({ file: "model" }) }))
      .default([])
      .describe("Parts"),
    corpus: z
      .union([z.string().meta({ file: "data" }), z.null()])
      .default(null)
      .describe("A file or nothing"),
  }),
  presets: { quick: { title: "Quick", description: "Quick", config: {}, everywhere: true } },
  requires: () => ({}),
});

describe("the recorded config", () => {
  it("cuts absolute paths of file fields at every depth and tells which", () => {
    const config = {
      note: "/opt/alice/note",
      parts: [{ weights: "/opt/alice/a.gguf" }, { weights: "shared/b.gguf" }],
      corpus: "/opt/alice/c.txt",
    };
    expect(recordedConfig(nested, config)).toEqual({
      config: {
        note: "/opt/alice/note",
        parts: [{ weights: "a.gguf" }, { weights: "shared/b.gguf" }],
        corpus: "c.txt",
      },
      absoluteFiles: ["/opt/alice/a.gguf", "/opt/alice/c.txt"],
    });
  });

  it("is the config itself when no file field is absolute", () => {
    const config = { note: "/etc/passwd", parts: [], corpus: null };
    expect(recordedConfig(nested, config)).toEqual({ config, absoluteFiles: [] });
  });

  it("names the folders of such files for logs and failures", () => {
    expect(foldersOfFiles(["/opt/alice/a.gguf"])).toEqual({
      "/opt/alice": "<path>",
      "/opt/alice/a.gguf": "<path>/a.gguf",
    });
  });
});
