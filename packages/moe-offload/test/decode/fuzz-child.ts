import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { isDomainError } from "@fmlab/experiment";
import { fieldMap } from "../../../ggml/test/gguf/field-map.ts";
import { mutate, seededRandom } from "../../../ggml/test/gguf/mutate.ts";
import { DecodeSession } from "../../src/decode/session.ts";
import { SessionClock } from "../../src/decode/session-clock.ts";
import { STRATEGIES } from "../../src/offload/strategies.ts";
import { NO_HOST_TIER } from "../../src/tiers/host-tier.ts";
import { FREE_LINK } from "../../src/tiers/link-schedule.ts";

const [original = "", target = "", count = "0", seed = "0"] = process.argv.slice(2);
const whole = readFileSync(original);
const { fields, headerEnd } = fieldMap(whole);
const source = { header: whole.subarray(0, headerEnd), fields, fileBytes: whole.length };
const random = seededRandom(Number(seed));
const codes: Record<string, number> = {};
let slowestMs = 0;

for (let i = 0; i < Number(count); i++) {
  const mutant = mutate(source, random);
  const fd = openSync(target, "w");
  writeSync(fd, mutant.header, 0, Math.min(headerEnd, mutant.fileBytes), 0);
  if (mutant.fileBytes > headerEnd) {
    writeSync(fd, whole, headerEnd, mutant.fileBytes - headerEnd, headerEnd);
  }
  if (random() < 0.3 && mutant.fileBytes > headerEnd) {
    // Weights of noise: NaN, infinities and absurd scales must end as results or errors too.
    const noise = Uint8Array.from({ length: 4096 }, () => Math.floor(random() * 256));
    const at = headerEnd + Math.floor(random() * (mutant.fileBytes - headerEnd));
    writeSync(fd, noise, 0, noise.length, at);
    mutant.how += ", noise in the data";
  }
  ftruncateSync(fd, mutant.fileBytes);
  closeSync(fd);
  // The parent reads this when the process dies of the mutant.
  process.stderr.write(`${i}: ${mutant.how}\n`);
  const clock = new SessionClock();
  const code = outcome(clock);
  slowestMs = Math.max(slowestMs, clock.nowMs());
  codes[code] = (codes[code] ?? 0) + 1;
}
const maxRssBytes = process.resourceUsage().maxRSS * 1024;
process.stdout.write(JSON.stringify({ codes, slowestMs, maxRssBytes }));

function outcome(clock: SessionClock): string {
  let session: DecodeSession | undefined;
  try {
    session = DecodeSession.open(
      {
        modelPath: target,
        strategy: STRATEGIES.lru,
        budgetBytes: 64 * 1_048_576,
        host: NO_HOST_TIER,
        link: FREE_LINK,
        disk: FREE_LINK,
        calibrationTokens: 0,
        layerSizes: "equal",
        kvInBudget: false,
        sampling: { temperature: 0, topK: 0, topP: 1 },
        seed: 1,
        threads: 1,
        timelineTokens: 0,
        promptEvaluation: "token",
        ignoreEnd: true,
        contextTokensMax: 16,
      },
      clock,
    );
    session.generate("the", 3, { onPrompt: () => {}, onStep: () => {} });
    return "ran";
  } catch (error) {
    if (isDomainError(error)) return error.failure.code;
    throw error;
  } finally {
    session?.close();
  }
}
