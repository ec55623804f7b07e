/**
 * How much LRU gains over loading on demand, against what the bytes say it must gain:
 *
 *     (compute + all demanded bytes / link) / (compute + missed bytes / link)
 *
 * A quarter of the experts in memory, a 200 MB/s link, real reads from disk. Compute is the time
 * per token with all experts resident. The policies take turns in random order in one process,
 * prompt by prompt, since the machine's speed drifts by more than the difference sought.
 *
 *     node --import tsx bench/moe-lru.bench.ts [--json] [--rounds N] [--tokens N]
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createPrng } from "@fmlab/sim";
import type { SessionOptions, StepRecord } from "../src/decode/messages.ts";
import { DecodeSession } from "../src/decode/session.ts";
import { SessionClock } from "../src/decode/session-clock.ts";
import { NO_HOST_TIER } from "../src/tiers/host-tier.ts";
import { FREE_LINK } from "../src/tiers/link-schedule.ts";

const MIB = 1_048_576;
const LINK_MBPS = 200;
const PROMPTS = [
  "The lamp in the lighthouse had burned every night for forty years, and",
  "When the two sisters opened the old trunk in the attic,",
  "The captain looked at the sky and ordered the men to",
  "In the village at the foot of the mountain there lived a clockmaker who",
];
const POLICY_NAMES = ["all-resident", "on-demand", "lru"] as const;
type PolicyName = (typeof POLICY_NAMES)[number];
const BUDGET_MIB: Record<PolicyName, number> = {
  "all-resident": 25.5,
  "on-demand": 6.375,
  lru: 6.375,
};

/** Sums over the steps of one policy. */
interface Total {
  steps: number;
  ms: number;
  stallMs: number;
  bytes: number;
}

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    rounds: { type: "string", default: "6" },
    tokens: { type: "string", default: "64" },
  },
});
const rounds = Number(values.rounds);
const tokens = Number(values.tokens);
const totals = measure();
report();

function open(policy: PolicyName): DecodeSession {
  const options: SessionOptions = {
    modelPath: fileURLToPath(new URL("../../../models/tiny-story-moe.q8_0.gguf", import.meta.url)),
    strategy: {
      policy,
      predictor: "none",
      prefetch: { control: "off", width: 0, depth: 1 },
      readyFirst: false,
    },
    budgetBytes: BUDGET_MIB[policy] * MIB,
    host: NO_HOST_TIER,
    link: { bandwidthMBps: LINK_MBPS, latencyUs: 0, queueDepth: 1 },
    disk: FREE_LINK,
    calibrationTokens: 0,
    layerSizes: "equal",
    kvInBudget: false,
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

function measure(): Record<PolicyName, Total> {
  const sums = Object.fromEntries(
    POLICY_NAMES.map((name) => [name, { steps: 0, ms: 0, stallMs: 0, bytes: 0 }]),
  ) as Record<PolicyName, Total>;
  const sessions = POLICY_NAMES.map((name) => ({ name, session: open(name) }));
  const random = createPrng(1, "order");
  // Round 0 warms up and does not count.
  for (let round = 0; round <= rounds; round++) {
    const prompt = PROMPTS[round % PROMPTS.length] ?? "";
    for (const { name, session } of random.shuffle(sessions)) {
      const onStep = (step: StepRecord) => {
        if (round === 0) return;
        const sum = sums[name];
        sum.steps++;
        sum.ms += step.stepMs;
        sum.stallMs += step.stallMs;
        sum.bytes += step.bytes;
      };
      session.generate(prompt, tokens, { onPrompt: () => {}, onStep });
    }
  }
  const texts = sessions.map(({ session }) => session.result().texts.join("\n"));
  for (const { session } of sessions) session.close();
  if (texts.some((text) => text !== texts[0]))
    throw new Error("the policies wrote different texts");
  return sums;
}

function report(): void {
  const perStep = (name: PolicyName, key: keyof Total) => totals[name][key] / totals[name].steps;
  const linkMs = (bytes: number) => bytes / (LINK_MBPS * 1e3);
  const computeMs = perStep("all-resident", "ms");
  const demandMs = computeMs + linkMs(perStep("on-demand", "bytes"));
  const lruMs = computeMs + linkMs(perStep("lru", "bytes"));
  const ours = perStep("on-demand", "ms") / perStep("lru", "ms");
  const peer = demandMs / lruMs;
  const result = {
    name: "moe-lru",
    ours,
    peer,
    ratio: ours / peer,
    unit: "speed-up of lru over on-demand",
    rounds,
    tokens,
    linkMBps: LINK_MBPS,
    computeMs,
    policies: Object.fromEntries(
      POLICY_NAMES.map((name) => [
        name,
        {
          tokensPerSecond: 1e3 / perStep(name, "ms"),
          msPerToken: perStep(name, "ms"),
          stallMsPerToken: perStep(name, "stallMs"),
          bytesPerToken: perStep(name, "bytes"),
        },
      ]),
    ),
  };
  if (values.json) {
    process.stdout.write(`${JSON.stringify(result)}\n`);
    return;
  }
  const lines = POLICY_NAMES.map((name) => {
    const speed = (1e3 / perStep(name, "ms")).toFixed(1).padStart(8);
    const stall = perStep(name, "stallMs").toFixed(2).padStart(7);
    const megabytes = (perStep(name, "bytes") / 1e6).toFixed(3);
    return `${name.padEnd(14)}${speed} tok/s  stall ${stall} ms  ${megabytes} MB a token`;
  });
  process.stdout.write(
    `${lines.join("\n")}\nlru over on-demand: ${ours.toFixed(3)}x, the bytes say ` +
      `${peer.toFixed(3)}x (ratio ${result.ratio.toFixed(3)}, bar 0.9 to 1.1)\n`,
  );
}
