import { copyFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AnyExperiment, parseConfig } from "@fmlab/experiment";
import { encodeGguf } from "@fmlab/ggml";
import { afterAll, describe, expect, it } from "vitest";
import { fromWire, toWire } from "../../src/decode/wire-error.ts";
import { definitions } from "../../src/definitions/index.ts";
import { MoeError } from "../../src/errors.ts";
import { SHIPPED_MODEL } from "../shipped-model.ts";
import { MemoryContext } from "./memory-context.ts";

const folder = mkdtempSync(join(tmpdir(), "fmlab-bad-input-"));
afterAll(() => rmSync(folder, { recursive: true }));
const definition = definitions[0] as AnyExperiment;

async function failureOf(config: Record<string, unknown>): Promise<Error> {
  const module = await definition.load();
  const ctx = new MemoryContext(1, folder);
  try {
    await module.run(ctx, parseConfig(definition, config));
  } catch (error) {
    return error as Error;
  }
  throw new Error("the run succeeded");
}

describe("bad input to the decode experiment", () => {
  copyFileSync(SHIPPED_MODEL, join(folder, "tiny-story-moe.q8_0.gguf"));
  const cut = join(folder, "cut.gguf");
  copyFileSync(SHIPPED_MODEL, cut);
  truncateSync(cut, 30_000_000);
  writeFileSync(join(folder, "text.gguf"), "this is no model");
  const architecture = { type: "string", value: "mamba" } as const;
  writeFileSync(
    join(folder, "mamba.gguf"),
    encodeGguf({ metadata: [["general.architecture", architecture]], tensors: [] }),
  );

  it.each<[string, Record<string, unknown>, string, RegExp]>([
    ["a missing model", { model: "none.gguf" }, "MISSING_FILE", /none.gguf is missing/],
    ["a file that is no model", { model: "text.gguf" }, "WRONG_MAGIC", /is not a GGUF file/],
    ["a model that is cut short", { model: "cut.gguf" }, "BAD_TENSOR_PLACE", /cut short/],
    [
      "another architecture",
      { model: "mamba.gguf" },
      "UNSUPPORTED_ARCHITECTURE",
      /architecture "mamba"; this version computes the .* models qwen2moe, qwen3moe/,
    ],
    [
      "a budget below one layer's working set",
      { budgetMiB: 0.3 },
      "BUDGET_TOO_SMALL",
      /Set budgetMiB to 0.399 or more/,
    ],
    [
      "a budget below all experts",
      { policy: "all-resident", budgetMiB: 25 },
      "BUDGET_TOO_SMALL",
      /Set budgetMiB to 25.5 or more/,
    ],
    [
      "more tokens than the context holds",
      { maxTokens: 600 },
      "CONTEXT_TOO_SMALL",
      /context holds 512. Shorten the prompt or lower maxTokens to at most 4\d\d/,
    ],
    ["more threads than the machine has", { threads: 64 }, "BAD_SETTING", /threads is 64/],
  ])("%s is refused with a clear message", async (_, config, code, message) => {
    const error = await failureOf(config);
    expect(error).toMatchObject({ failure: { code } });
    expect(error.message).toMatch(message);
  });

  it.each<[Record<string, unknown>, string]>([
    [{ maxTokens: 0 }, "maxTokens"],
    [{ maxTokens: 1.5 }, "maxTokens"],
    [{ prompts: [] }, "prompts"],
    [{ prompts: [""] }, "prompts.0"],
    [{ prompts: "text" }, "prompts"],
    [{ budgetMiB: 0 }, "budgetMiB"],
    [{ budgetMiB: Number.NaN }, "budgetMiB"],
    [{ policy: "fifo" }, "policy"],
    [{ predictor: "crystal ball" }, "predictor"],
    [{ prefetch: { control: "always" } }, "prefetch.control"],
    [{ prefetch: { depth: 4 } }, "prefetch.depth"],
    [{ host: { budgetMiB: -1 } }, "host.budgetMiB"],
    [{ link: { queueDepth: 0 } }, "link.queueDepth"],
    [{ link: { bandwidthMBps: -1 } }, "link.bandwidthMBps"],
    [{ link: { latencyUs: Number.POSITIVE_INFINITY } }, "link.latencyUs"],
    [{ sampling: { temperature: -1 } }, "sampling.temperature"],
    [{ sampling: { topP: 0 } }, "sampling.topP"],
    [{ threads: 0 }, "threads"],
    [{ timelineTokens: -1 }, "timelineTokens"],
    [{ model: "" }, "model"],
    [{ modle: "x" }, "modle"],
  ])("config %j is refused by field", (config, path) => {
    try {
      parseConfig(definition, config);
      expect.unreachable();
    } catch (error) {
      const failure = { code: "BAD_CONFIG", problems: [expect.objectContaining({ path })] };
      expect(error).toMatchObject({ failure });
    }
  });
});

describe("an error that crosses the border between threads", () => {
  it("keeps its class, message and evidence", () => {
    const failure = { code: "BAD_TOKEN", token: 1, vocabularySize: 1 } as const;
    const error = fromWire(structuredClone(toWire(new MoeError("message", failure))));
    expect(error).toBeInstanceOf(MoeError);
    expect(error).toMatchObject({ name: "MoeError", message: "message", failure });
  });

  it("keeps its name and stack when it is a programmer's", () => {
    const original = new RangeError("out");
    const error = fromWire(structuredClone(toWire(original)));
    expect(error).toMatchObject({ name: "RangeError", message: "out", stack: original.stack });
    expect(fromWire(toWire("text")).message).toBe("text");
  });
});
