import type { Calibration } from "../calibration/calibration.ts";
import { MoeError } from "../errors.ts";
import type { Lane } from "../offload/lane.ts";
import type { ExpertKey, Routing } from "../offload/routing.ts";
import type { PolicyName } from "../policies/names.ts";
import { POLICIES } from "../policies/registry.ts";
import { PREDICTORS } from "../predictors/registry.ts";
import { expectedKeys } from "../prefill/expected-experts.ts";
import type { ExpertStream } from "../prefill/expert-stream.ts";
import { LayerPass, type LayerRules } from "../prefill/layer-pass.ts";
import { PolicyStream } from "../prefill/policy-stream.ts";
import { SlotStream } from "../prefill/slot-stream.ts";
import { StreamWindow } from "../prefill/stream-window.ts";
import type { MakePass } from "../prefill/wave-prefill.ts";
import { GroupPass } from "../throughput/group-pass.ts";
import { SCHEDULES } from "../throughput/schedules.ts";
import type { PrefillStrategyName } from "./prefill-names.ts";
import type { PrefillTexts } from "./prefill-texts.ts";

/** What a strategy is opened over. */
export interface PrefillParts {
  readonly lane: Lane;
  /** All of one kind. */
  readonly slotCount: number;
  readonly expertBytes: number;
  readonly calibration: Calibration;
  readonly texts: PrefillTexts;
  /** The text that is evaluated now. */
  readonly text: () => number;
}

/** A strategy with empty slots. */
export interface OpenedStrategy {
  readonly stream: ExpertStream;
  readonly makePass: MakePass;
}

/**
 * Experts that Fate's staging holds for the next layer, beside those of a token. Chosen: the link
 * stays busy while attention computes; more would leave less to its cache.
 */
const FATE_AHEAD = 16;

/**
 * Opens a strategy for prompts.
 *
 * `load-on-demand` keeps nothing and loads nothing ahead. `moe-infinity` keeps what similar prompts
 * used and loads what they used of the next layer. `fate` keeps the first layers and loads what the
 * gate of the layer before says, the popular first; all in the one precision, without the release's
 * 2 bits for unpopular experts. `waves` is our own; `waves-gated` trusts the next layer's gate.
 *
 * @throws MoeError `BUDGET_TOO_SMALL`
 * @see papers as in `POLICIES`; Fate's order of issue: released code, as `PrefillTexts.predicted`
 */
export function openPrefill(
  name: Exclude<PrefillStrategyName, "planned">,
  parts: PrefillParts,
): OpenedStrategy {
  if (name === "waves") return openWaves(parts);
  if (name === "waves-gated") return openGated(parts);
  if (name === "fate") {
    const expectAfter = (layer: number) =>
      parts.texts.predicted(parts.text(), nextOf(parts, layer));
    return openRival(parts, "fate", FATE_AHEAD, { expectAfter, order: "by-uses" });
  }
  if (name === "moe-infinity") return openRival(parts, "moe-infinity", 0, similarPrompts(parts));
  const { expertUsedCount } = parts.texts.shape;
  return openRival(parts, "on-demand", Math.max(0, parts.slotCount - expertUsedCount), {
    expectAfter: () => [],
    order: "by-number",
  });
}

function openWaves({ calibration, texts, ...parts }: PrefillParts): OpenedStrategy {
  const { shape } = texts;
  const stream = slotStream({ calibration, texts, ...parts });
  const makePass: MakePass = (waves) =>
    new GroupPass({
      shape,
      schedule: SCHEDULES.aggressive,
      stream,
      waves,
      hotCount: shape.expertUsedCount,
      slotsOf: () => parts.slotCount,
      nowMs: () => parts.lane.nowMs(),
      popularity: calibration.popularity,
    });
  return { stream, makePass };
}

/**
 * Our stream, which expects of the next layer what its gate says and nothing beyond it: what is
 * loaded in vain takes the place of something that would have been used. Of the first layer, which
 * no gate foresees, the popular experts.
 */
function openGated(parts: PrefillParts): OpenedStrategy {
  const { calibration, text, texts } = parts;
  const { shape } = texts;
  const [first = 0] = shape.moeLayers;
  const popular = expectedKeys(shape, calibration.popularity, first, texts.tokensAt(first));
  const expectAfter = (layer: number): readonly ExpertKey[] => {
    const next = nextOf(parts, layer);
    return next === first ? popular : texts.predicted(text(), next);
  };
  return rules(parts, slotStream(parts), { expectAfter, order: "by-uses" });
}

function openRival(
  parts: PrefillParts,
  name: PolicyName,
  width: number,
  how: LayerRules & Pick<Partial<Similar>, "policy">,
): OpenedStrategy {
  const { calibration, expertBytes, lane, slotCount, texts } = parts;
  const { shape } = texts;
  const allocation = POLICIES[name].allocate(shape, slotCount, width);
  if (typeof allocation === "number") {
    throw new MoeError(`${name} needs ${allocation} slots for prompts; it has ${slotCount}.`, {
      code: "BUDGET_TOO_SMALL",
      policy: name,
      budgetBytes: slotCount * expertBytes,
      neededBytes: allocation * expertBytes,
    });
  }
  const { activationMatrices } = calibration;
  const policy = how.policy ?? POLICIES[name].create({ shape, allocation, activationMatrices });
  const stream = new PolicyStream({ shape, lane, policy, allocation, expertBytes });
  return rules(parts, stream, how);
}

interface Similar extends LayerRules {
  readonly policy: ReturnType<(typeof POLICIES)["moe-infinity"]["create"]>;
}

/** What the most similar earlier prompt used of the next layer, the most used first. */
function similarPrompts({ calibration, slotCount, texts }: PrefillParts): Similar {
  const { shape } = texts;
  const { activationMatrices } = calibration;
  const allocation = { slots: [slotCount], isShared: true, staging: 0 };
  const policy = POLICIES["moe-infinity"].create({ shape, allocation, activationMatrices });
  const predictor = PREDICTORS["activation-matrix"].create({ shape, activationMatrices });
  const scores = new Float32Array(shape.expertCount);
  const expectAfter = (layer: number, experts: Int32Array): ExpertKey[] => {
    const routing: Routing = { ...EMPTY, layer, experts };
    policy.onRouting?.(routing);
    predictor.observe(routing);
    const { expertCount, moeLayers } = shape;
    const next = moeLayers[moeLayers.indexOf(layer) + 1];
    if (next === undefined || !predictor.predict(next, scores)) return [];
    return Array.from(scores, (score, expert) => ({ score, key: next * expertCount + expert }))
      .filter(({ score }) => score > 0)
      .sort((a, b) => b.score - a.score || a.key - b.key)
      .map(({ key }) => key);
  };
  return { policy, expectAfter, order: "by-number" };
}

const EMPTY = { token: 0, position: 0, probabilities: new Float32Array(0), ahead: [] };

function rules(
  { lane, texts }: PrefillParts,
  stream: ExpertStream,
  how: LayerRules,
): OpenedStrategy {
  const { shape } = texts;
  const nowMs = () => lane.nowMs();
  return {
    stream,
    makePass: (waves) => new LayerPass({ shape, stream, waves, rules: how, nowMs }),
  };
}

function slotStream({ expertBytes, lane, slotCount, texts }: PrefillParts): SlotStream {
  const { shape } = texts;
  return new SlotStream({
    shape,
    lane,
    classes: [{ index: 0, firstSlot: 0, slotCount, expertBytes, parts: [] }],
    classOfLayer: () => 0,
    window: new StreamWindow(shape.expertCount),
  });
}

/** The next layer with experts; after the last comes the first. */
function nextOf({ texts }: PrefillParts, layer: number): number {
  const { moeLayers } = texts.shape;
  return moeLayers[(moeLayers.indexOf(layer) + 1) % moeLayers.length] ?? layer;
}
