import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseConfig, type Summary } from "@fmlab/experiment";
import { afterAll, describe, expect, it } from "vitest";
import type { SessionOptions } from "../../src/decode/messages.ts";
import { DecodeSession } from "../../src/decode/session.ts";
import { SessionClock } from "../../src/decode/session-clock.ts";
import { decode } from "../../src/definitions/decode.ts";
import { MoeEngine } from "../../src/engine/engine.ts";
import { residentSource } from "../../src/precision/resident-source.ts";
import { openTwins } from "../../src/precision/twins.ts";
import { NO_HOST_TIER } from "../../src/tiers/host-tier.ts";
import { FREE_LINK } from "../../src/tiers/link-schedule.ts";
import { randomModelFile } from "../engine/random-model.ts";
import { openSmall, SMALL } from "../precision/small-moe.ts";
import { MemoryContext } from "./memory-context.ts";

const folder = mkdtempSync(join(tmpdir(), "fmlab-lossy-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Layers of two kinds. */
const small = openSmall(folder, { types: { "1.ffn_down_exps": "F16" } });
afterAll(() => small.file.close());

const OPTIONS: SessionOptions = {
  modelPath: small.path,
  strategy: {
    policy: "on-demand",
    predictor: "none",
    prefetch: { control: "off", width: 0, depth: 1 },
    readyFirst: true,
  },
  budgetBytes: 1 << 20,
  layerSizes: "equal",
  kvInBudget: false,
  host: NO_HOST_TIER,
  link: FREE_LINK,
  disk: FREE_LINK,
  calibrationTokens: 0,
  lowPrecision: { kind: "q4_0", upgrade: false, otherFolder: join(folder, "other") },
  sampling: { temperature: 0, topK: 0, topP: 1 },
  seed: 1,
  threads: 1,
  timelineTokens: 0,
  promptEvaluation: "token",
  ignoreEnd: true,
  contextTokensMax: 64,
};

const SHORT = ["once upon", "the lamp"];
const LONG = ["The quick brown fox, 1234567890; jumps over ~ {Zorro}"];

function generate(changes: Partial<SessionOptions> = {}, texts = SHORT) {
  const session = DecodeSession.open({ ...OPTIONS, ...changes }, new SessionClock());
  const prompts = texts.map((prompt) => session.encode(prompt));
  for (const prompt of texts) {
    session.generate(prompt, 12, { onPrompt: () => {}, onStep: () => {} });
  }
  const { counts, tokens } = session.result();
  const before = { ...counts };
  const lossy = session.compare();
  session.close();
  return { counts: before, lossy, prompts, tokens };
}

/** All experts of decode steps from the twins, those of prompts from the model itself. */
function lossyRows(prompts: number[][], tokens: number[][]): Float32Array[] {
  const twins = openTwins({ ...small, kind: "q4_0", folder: join(folder, "oracle") });
  const { expertCount, moeLayers } = small.layout;
  // Slots of both: the engine's context goes on while the precision changes.
  let isLow = false;
  const total = moeLayers.length * expertCount;
  const layout = { ...small.layout, classes: [...small.layout.classes, ...twins.layout.classes] };
  const classes = layout.classes.map((one, index) => ({ ...one, index }));
  const slotCount = classes.map((one) => one.layers.length * expertCount);
  const engine = MoeEngine.open(
    small.file,
    { slotCount, threads: 1, layout: { ...layout, classes } },
    (pool) => {
      residentSource(small.file, small.layout, pool);
      const low = residentSource(twins.file, twins.layout, {
        ...pool,
        residentSlot: (layer, expert) => total + twins.layout.residentSlot(layer, expert),
        view: (slot, part) => pool.view(slot, part),
        place: (slot, part) => pool.place(slot, part),
      });
      return {
        request: (routing, slots) => {
          if (isLow) low.request(routing, slots);
          else {
            routing.experts.forEach((expert, i) => {
              slots[i] = small.layout.residentSlot(routing.layer, expert);
            });
          }
        },
        isReady: () => true,
        waitFor: () => {},
        release: () => {},
      };
    },
  );
  const rows = prompts.flatMap((prompt, i) => {
    engine.reset();
    isLow = false;
    for (const token of prompt) engine.decode(token);
    isLow = true;
    return (tokens[i] ?? []).slice(0, -1).map((token) => engine.decode(token).slice());
  });
  engine.close();
  twins.file.close();
  return rows;
}

function fullRows(prompts: number[][], tokens: number[][]): Float32Array[] {
  const total = small.layout.moeLayers.length * small.layout.expertCount;
  const engine = MoeEngine.open(small.file, { slotCount: total, threads: 1 }, (pool) =>
    residentSource(small.file, small.layout, pool),
  );
  const rows = prompts.flatMap((prompt, i) => {
    engine.reset();
    for (const token of prompt) engine.decode(token);
    return (tokens[i] ?? []).slice(0, -1).map((token) => engine.decode(token).slice());
  });
  engine.close();
  return rows;
}

/** KL(p || q) by its definition. */
function naiveKl(full: Float32Array, lossy: Float32Array): number {
  const softmax = (row: Float32Array) => {
    const exps = Array.from(row, (value) => Math.exp(value - Math.max(...row)));
    const sum = exps.reduce((a, b) => a + b, 0);
    return exps.map((value) => value / sum);
  };
  const q = softmax(lossy);
  return softmax(full).reduce((sum, p, i) => sum + p * Math.log(p / (q[i] ?? 0)), 0);
}
const argmax = (row: Float32Array) => row.indexOf(Math.max(...row));

describe("a session that answers misses in low precision", () => {
  it("tells the divergence of its own steps, as computed by definition from both precisions", () => {
    const { counts, lossy, prompts, tokens } = generate();
    const low = lossyRows(prompts, tokens);
    const full = fullRows(prompts, tokens);
    const kls = full.map((row, i) => naiveKl(row, low[i] ?? row));
    expect(counts.lowPrecision).toBe(2 * 11 * 3 * 2);
    expect(lossy?.comparedSteps).toBe(2 * 11);
    expect(lossy?.meanKl).toBeCloseTo(kls.reduce((a, b) => a + b, 0) / kls.length, 9);
    expect(lossy?.maxKl).toBeCloseTo(Math.max(...kls), 9);
    expect(lossy?.meanKl).toBeGreaterThan(1e-6);
    const same = full.filter((row, i) => argmax(row) === argmax(low[i] ?? row)).length;
    expect(lossy?.argmaxAgreement).toBe(same / full.length);
    // What was sampled is what low precision said: greedy tokens are its likeliest.
    low.forEach((row, i) => {
      const [prompt, step] = [Math.floor(i / 11), i % 11];
      expect(argmax(row)).toBe(tokens[prompt]?.[step + 1]);
    });
  });

  it("loses nothing where nothing misses, and says nothing where nothing can be lost", () => {
    const strategy = { ...OPTIONS.strategy, policy: "lru" as const };
    const kept = generate({ strategy, budgetBytes: 1 << 22 }, LONG);
    // Memory for all, and the prompts have used every expert.
    expect(kept.counts.lowPrecision).toBe(0);
    expect(kept.lossy).toMatchObject({ meanKl: 0, maxKl: 0, argmaxAgreement: 1 });
    expect(generate({ lowPrecision: undefined }).lossy).toBeUndefined();
    const resident = { ...OPTIONS.strategy, policy: "all-resident" as const };
    const all = generate({ strategy: resident, budgetBytes: 1 << 22 });
    expect(all.lossy).toBeUndefined();
    expect(all.tokens).toEqual(generate({ lowPrecision: undefined }).tokens);
  });

  it("pays for KV cache, experts and twins from one budget", () => {
    const strategy = { ...OPTIONS.strategy, policy: "lru" as const };
    const { lossy } = generate({ strategy, kvInBudget: true, budgetBytes: 900_000 });
    expect(lossy?.comparedSteps).toBe(22);
  });

  it("keeps copies beside the model, or elsewhere where that cannot be written", () => {
    expect(readdirSync(join(folder, ".fmlab-twins"))).toHaveLength(1);
    const other = join(folder, "blocked");
    mkdirSync(other);
    const path = join(other, "model.gguf");
    writeFileSync(path, randomModelFile(SMALL));
    // A file where the folder would be: no folder can be made there.
    writeFileSync(join(other, ".fmlab-twins"), "");
    generate({ modelPath: path });
    expect(readdirSync(join(folder, "other"))).toHaveLength(1);
  });

  it("refuses a host tier that has no place for copies", () => {
    const host = { budgetBytes: 1 << 22, mode: "window" as const, preload: false };
    const code = expect.objectContaining({ code: "CONFLICTING_SETTINGS" });
    expect(() => generate({ host })).toThrow(code);
  });
});

describe("the decode experiment in low precision", () => {
  it("carries its divergence, the share of low uses and fewer bytes", async () => {
    const ctx = new MemoryContext(1, folder);
    const config = parseConfig(decode, {
      model: "small.gguf",
      prompts: ["The lamp"],
      maxTokens: 12,
      policy: "on-demand",
      link: { bandwidthMBps: 0 },
      sampling: { temperature: 0 },
      ignoreEnd: true,
      lowPrecision: { type: "q4_0" },
    });
    const { run } = await decode.load();
    const summary = (await run(ctx, config)) as Summary;
    expect(summary).toMatchObject({ lossy: true, lowPrecisionRate: 100, comparedSteps: 11 });
    for (const name of ["meanKl", "maxKl", "argmaxAgreement"]) {
      expect(ctx.points.get(name)?.at(-1)?.value).toBe(summary[name]);
    }
    expect(summary.meanKl).toBeGreaterThan(0);
    const { expertBytes } = summary.twins as { expertBytes: number };
    // Three matrices of 256 by 64 weights, 18 bytes for each 32; three layers use two experts each.
    expect(expertBytes).toBe((3 * 256 * 64 * 18) / 32);
    expect(summary.bytesPerToken).toBe(6 * expertBytes);
    const layers = ctx.pictures.get("layers");
    if (layers?.kind !== "table") throw new Error("layers is no table");
    const loaded = layers.rows.reduce((sum, row) => sum + Number(row.loadedMiB), 0);
    expect(loaded * 1_048_576).toBeCloseTo(11 * 6 * expertBytes, 3);
    expect(String(ctx.notes.get("lossy"))).toContain("q4_0");
  });
});
