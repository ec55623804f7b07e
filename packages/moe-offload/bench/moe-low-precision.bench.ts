/**
 * What low precision on a late miss gains in decode, and what it costs: Fate's strategy in full,
 * and with misses as Q4_0 or Q2_K twins, with and without the full expert following them. Half of
 * the experts in memory, real reads from host memory over a throttled link. The variants take turns
 * in random order in one process, prompt by prompt; KL is that of each variant's own steps.
 *
 *     node --import tsx bench/moe-low-precision.bench.ts [--json] [--rounds N] [--link N]
 */
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createPrng } from "@fmlab/sim";
import type { LossyNumbers, SessionOptions, StepRecord } from "../src/decode/messages.ts";
import { DecodeSession } from "../src/decode/session.ts";
import { SessionClock } from "../src/decode/session-clock.ts";
import { STRATEGIES } from "../src/offload/strategies.ts";
import { FREE_LINK } from "../src/tiers/link-schedule.ts";

const MIB = 1_048_576;
const MODEL = "tiny-story-moe.q8_0.gguf";
const PROMPTS = [
  "The lamp in the lighthouse had burned every night for forty years, and",
  "When the two sisters opened the old trunk in the attic,",
  "The captain looked at the sky and ordered the men to",
  "In the village at the foot of the mountain there lived a clockmaker who",
];
const VARIANTS = {
  full: undefined,
  q4_0: { kind: "q4_0", upgrade: false },
  "q4_0 upgraded": { kind: "q4_0", upgrade: true },
  q2_k: { kind: "q2_k", upgrade: false },
  "q2_k upgraded": { kind: "q2_k", upgrade: true },
} as const;
type Variant = keyof typeof VARIANTS;
const NAMES = Object.keys(VARIANTS) as Variant[];

/** Sums over the steps of one variant. */
interface Total {
  steps: number;
  ms: number;
  stallMs: number;
  bytes: number;
  low: number;
  lossy?: LossyNumbers | undefined;
}

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    rounds: { type: "string", default: "6" },
    tokens: { type: "string", default: "64" },
    link: { type: "string", default: "400" },
  },
});
const rounds = Number(values.rounds);
const tokens = Number(values.tokens);
const bandwidthMBps = Number(values.link);
const folder = mkdtempSync(join(tmpdir(), "fmlab-low-"));
try {
  symlinkSync(
    fileURLToPath(new URL(`../../../models/${MODEL}`, import.meta.url)),
    join(folder, MODEL),
  );
  report(measure());
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function open(variant: Variant): DecodeSession {
  const lowPrecision = VARIANTS[variant];
  const options: SessionOptions = {
    modelPath: join(folder, MODEL),
    strategy: STRATEGIES.fate,
    budgetBytes: 12.75 * MIB,
    // Room for every expert and every twin.
    host: { budgetBytes: 51 * MIB, mode: "lru", preload: true },
    link: { bandwidthMBps, latencyUs: 0, queueDepth: 1 },
    disk: FREE_LINK,
    calibrationTokens: 0,
    layerSizes: "equal",
    kvInBudget: false,
    lowPrecision: lowPrecision && { ...lowPrecision, otherFolder: folder },
    sampling: { temperature: 0.8, topK: 40, topP: 0.95 },
    seed: 1,
    threads: 1,
    timelineTokens: 0,
    promptEvaluation: "token",
    ignoreEnd: true,
    contextTokensMax: 512,
  };
  return DecodeSession.open(options, new SessionClock());
}

function measure(): Map<Variant, Total> {
  const sessions = NAMES.map((name) => ({ name, session: open(name) }));
  const totals = new Map<Variant, Total>(
    NAMES.map((name) => [name, { steps: 0, ms: 0, stallMs: 0, bytes: 0, low: 0 }]),
  );
  const random = createPrng(1, "order");
  // Round 0 warms up and does not count.
  for (let round = 0; round <= rounds; round++) {
    const prompt = PROMPTS[round % PROMPTS.length] ?? "";
    for (const { name, session } of random.shuffle(sessions)) {
      const onStep = (step: StepRecord) => {
        const sum = totals.get(name);
        if (round === 0 || !sum) return;
        sum.steps++;
        sum.ms += step.stepMs;
        sum.stallMs += step.stallMs;
        sum.bytes += step.bytes;
        sum.low += step.lowPrecision;
      };
      session.generate(prompt, tokens, { onPrompt: () => {}, onStep });
    }
  }
  for (const { name, session } of sessions) {
    const total = totals.get(name);
    if (total) total.lossy = session.compare();
    session.close();
  }
  return totals;
}

function report(totals: ReadonlyMap<Variant, Total>): void {
  const variants = [...totals].map(([name, { bytes, lossy, low, ms, stallMs, steps }]) => ({
    name,
    tokensPerSecond: (1e3 * steps) / ms,
    stallMsPerToken: stallMs / steps,
    bytesPerToken: bytes / steps,
    lowPerToken: low / steps,
    ...lossy,
  }));
  const speed = (name: Variant) => variants.find((one) => one.name === name)?.tokensPerSecond ?? 0;
  const [ours, peer] = [speed("q4_0 upgraded"), speed("full")];
  if (values.json) {
    const unit = "tok/s of fate with misses in q4_0, against full precision";
    const result = { name: "moe-low-precision", ours, peer, ratio: ours / peer, unit };
    const settings = { rounds, tokens, bandwidthMBps };
    process.stdout.write(`${JSON.stringify({ ...result, ...settings, variants })}\n`);
    return;
  }
  for (const one of variants) {
    const kl = "meanKl" in one ? `  KL ${one.meanKl?.toFixed(4)}` : "";
    process.stdout.write(
      `${one.name.padEnd(14)}${one.tokensPerSecond.toFixed(1).padStart(8)} tok/s  stall ` +
        `${one.stallMsPerToken.toFixed(2).padStart(6)} ms  ` +
        `${(one.bytesPerToken / 1e6).toFixed(3)} MB a token${kl}\n`,
    );
  }
}
