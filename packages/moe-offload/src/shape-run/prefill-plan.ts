import { MoeError } from "../errors.ts";
import { type ExpertWork, WaveLoop } from "../prefill/wave-loop.ts";
import { VirtualLane } from "../replay/virtual-lane.ts";
import type { PrefillStrategyName } from "./prefill-names.ts";
import { openPrefill, type PrefillParts } from "./prefill-strategies.ts";
import type { PrefillTexts } from "./prefill-texts.ts";

/** What was measured before, with every expert in a slot. */
export interface PrefillTimes {
  /** A prompt, ms. */
  readonly promptMs: number;
  /** Of a layer: attention, router and what else comes before its experts, ms. */
  readonly layerMs: number;
  /** Of one row of one expert, ms. */
  readonly rowMs: number;
  /** What follows the last experts, ms. */
  readonly headMs: number;
}

/** A strategy that a plan has chosen, and the time of a prompt that it expects. */
export interface PlannedPrefill {
  readonly name: Exclude<PrefillStrategyName, "planned">;
  readonly predictedMs: number;
}

/** A plan chooses among these. */
const CANDIDATES = ["waves", "waves-gated", "fate"] as const;
/** Planned texts that are evaluated first and not counted. */
const WARMUP = 1;

/** What is planned for. */
export interface PrefillPlanRequest extends Omit<PrefillParts, "lane" | "text"> {
  readonly times: PrefillTimes;
  readonly linkMBps: number;
}

/**
 * The strategy whose passes take least in virtual time, with the times measured of this machine, on
 * texts that nothing was learned from and none that is measured.
 */
export function planPrefill(request: PrefillPlanRequest): PlannedPrefill {
  let best: PlannedPrefill | undefined;
  for (const name of CANDIDATES) {
    const predictedMs = predictPrefill(name, request);
    if (predictedMs < (best?.predictedMs ?? Number.POSITIVE_INFINITY)) best = { name, predictedMs };
  }
  if (best) return best;
  throw new MoeError("no strategy evaluates prompts with so few slots; give it more.", {
    code: "BUDGET_TOO_SMALL",
    policy: "planned",
    budgetBytes: request.slotCount * request.expertBytes,
    neededBytes: (request.slotCount + 1) * request.expertBytes,
  });
}

/** Mean time of a prompt in virtual time, ms; infinite where the strategy needs more slots. */
export function predictPrefill(
  name: Exclude<PrefillStrategyName, "planned">,
  { linkMBps, times, ...parts }: PrefillPlanRequest,
): number {
  const { expertBytes, slotCount, texts } = parts;
  let text = 0;
  const lane = new VirtualLane({
    slotCount,
    bytesOf: () => expertBytes,
    link: { bandwidthMBps: linkMBps, latencyUs: 0, queueDepth: 1 },
  });
  try {
    const { makePass, stream } = openPrefill(name, { ...parts, lane, text: () => text });
    const compute = (_layer: number, ready: readonly ExpertWork[]) => {
      const rows = ready.reduce((sum, one) => sum + one.rows.length, 0);
      lane.advance(rows * times.rowMs);
      return undefined;
    };
    const pass = makePass(new WaveLoop(stream, texts.shape.expertCount, compute));
    let countedMs = 0;
    for (; text < texts.count; text++) {
      const startMs = lane.nowMs();
      pass.run([unitOf(texts, text, times, (ms) => lane.advance(ms))]);
      if (text >= WARMUP) countedMs += lane.nowMs() - startMs;
    }
    return countedMs / Math.max(1, texts.count - WARMUP);
  } catch (error) {
    if (error instanceof MoeError && error.code === "BUDGET_TOO_SMALL") {
      return Number.POSITIVE_INFINITY;
    }
    throw error;
  }
}

function unitOf(
  texts: PrefillTexts,
  text: number,
  times: PrefillTimes,
  advance: (ms: number) => void,
) {
  return {
    batch: 0,
    firstToken: 0,
    tokensAt: (layer: number) => texts.tokensAt(layer),
    compute: (index: number) => {
      const layer = texts.shape.moeLayers[index];
      advance(layer === undefined ? times.headMs : times.layerMs);
      return layer === undefined ? undefined : texts.chosen(text, layer);
    },
  };
}
