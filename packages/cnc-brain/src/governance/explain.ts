import { expectedResponse } from "../scheduling/expected-response.ts";
import type { Decision, PlacementRequest, Scheduler, ScorePart } from "../scheduling/scheduler.ts";
import type { ClusterView } from "../simulator/cluster-view.ts";
import type { PolicySet } from "./policies.ts";

/** How one node stood in a decision. */
export interface NodeStanding {
  node: number;
  name: string;
  isChosen: boolean;
  /** Why it was no candidate: a policy's reason, a failure, or size; undefined for candidates. */
  excluded: string | undefined;
  /** Parts of the scheduler's own score, if it has one. */
  parts: ScorePart[];
  total: number | undefined;
  /** What the response would be made of here, ms. */
  expected: { network: number; wait: number; start: number; data: number; run: number };
}

/** What would have to be otherwise for another node to win. */
export interface Counterfactual {
  node: number;
  /** Expected response here less that at the chosen node, ms, by part. */
  deltaMs: { network: number; wait: number; start: number; data: number; run: number };
  /** Weights of single criteria at which this node would tie; only those of at least 0. */
  ties: { criterion: string; weight: number; wouldBe: number; winsBelow: boolean }[];
  text: string;
}

/** A decision, laid open. */
export interface Explanation {
  request: { id: number; functionName: string; tenant: string; site: number };
  scheduler: string;
  chosen: number[];
  standings: NodeStanding[];
  counterfactuals: Counterfactual[];
}

/**
 * Explains any scheduler's decision on the snapshot it was made on: every node's standing, and for
 * the strongest others what would have made them win. Schedulers without a score are explained by
 * the expected response alone.
 *
 * @param others how many counterfactuals, nearest to winning first
 */
export function explainDecision(
  request: PlacementRequest,
  view: ClusterView,
  scheduler: Scheduler,
  decision: Decision,
  options: { policies?: PolicySet; others?: number } = {},
): Explanation {
  const { policies, others = 3 } = options;
  const chosen = typeof decision === "number" ? (decision < 0 ? [] : [decision]) : [...decision];
  const fn = view.fn(request.functionIndex);
  const standings = view.nodes.map(({ name }, node): NodeStanding => {
    const isCandidate = request.candidates.mask[node] === 1;
    const parts = isCandidate ? (scheduler.score?.(request, view, node) ?? []) : [];
    return {
      node,
      name,
      isChosen: chosen.includes(node),
      excluded: isCandidate ? undefined : whyExcluded(request, view, node, policies),
      parts,
      total: parts.length > 0 ? totalOf(parts) : undefined,
      expected: { ...expectedResponse(view, request.functionIndex, request.site, node) },
    };
  });
  const winner = standings[chosen[0] ?? -1];
  const losers = standings.filter((one) => one.excluded === undefined && !one.isChosen);
  losers.sort((a, b) => strength(b) - strength(a) || a.node - b.node);
  return {
    request: {
      id: request.id,
      functionName: fn.name,
      tenant: fn.tenant,
      site: request.site,
    },
    scheduler: scheduler.name,
    chosen,
    standings,
    counterfactuals:
      winner === undefined ? [] : losers.slice(0, others).map((one) => compare(one, winner)),
  };
}

/** Share of explanations that tell of every node what it would have meant, or why it was out. */
export function wholeShare(explanations: readonly Explanation[]): number {
  const whole = explanations.filter(({ standings }) =>
    standings.every(({ excluded, expected }) => excluded !== "" && Number.isFinite(expected.run)),
  );
  return explanations.length === 0 ? 0 : whole.length / explanations.length;
}

/** Higher is nearer to winning. */
function strength({ total, expected }: NodeStanding): number {
  return total ?? -Object.values(expected).reduce((a, b) => a + b, 0);
}

function whyExcluded(
  { functionIndex }: PlacementRequest,
  view: ClusterView,
  node: number,
  policies: PolicySet | undefined,
): string {
  if (view.up[node] === 0) return "the node is down";
  const verdict = policies?.judge(view.fn(functionIndex), view.node(node));
  if (verdict?.isAllowed === false) return `policy rule ${verdict.rule}: ${verdict.reason}`;
  return "the node is too small for it, or lacks a label it selects by";
}

function compare(other: NodeStanding, winner: NodeStanding): Counterfactual {
  const delta = (part: keyof NodeStanding["expected"]) =>
    other.expected[part] - winner.expected[part];
  const deltaMs = {
    network: delta("network"),
    wait: delta("wait"),
    start: delta("start"),
    data: delta("data"),
    run: delta("run"),
  };
  const ties = tiesOf(other.parts, winner.parts);
  return { node: other.node, deltaMs, ties, text: tell(other, deltaMs, ties) };
}

/**
 * For each criterion, the weight at which both nodes would score the same, all other weights as
 * they are: w = (rest of winner - rest of other) / (value of other - value of winner).
 */
function tiesOf(other: ScorePart[], winner: ScorePart[]): Counterfactual["ties"] {
  const gap = totalOf(winner) - totalOf(other);
  return other.flatMap(({ criterion, weight, value }, i) => {
    const better = value - (winner[i]?.value ?? 0);
    if (better === 0) return [];
    const wouldBe = weight + gap / better;
    // Where the other node is better, more weight helps it; where it is worse, less does.
    // A weight that only rounding tells from 0 lets no node win.
    const canBe = better > 0 ? wouldBe >= 0 : wouldBe > 1e-9 * weight;
    return canBe ? [{ criterion, weight, wouldBe, winsBelow: better < 0 }] : [];
  });
}

function tell(
  { name }: NodeStanding,
  deltaMs: Counterfactual["deltaMs"],
  ties: Counterfactual["ties"],
): string {
  const parts = Object.entries(deltaMs)
    .filter(([, ms]) => Math.abs(ms) >= 0.5)
    .map(([part, ms]) => `${ms > 0 ? "+" : "-"}${Math.abs(ms).toFixed(0)} ms ${part}`);
  const differences = parts.length > 0 ? parts.join(", ") : "no difference in time";
  const nearest = [...ties].sort(
    (a, b) => Math.abs(a.wouldBe - a.weight) - Math.abs(b.wouldBe - b.weight),
  )[0];
  if (nearest === undefined) return `${name}: ${differences}`;
  const side = nearest.winsBelow ? "below" : "above";
  return (
    `${name}: ${differences}; would win with the weight of ${nearest.criterion} ${side} ` +
    `${nearest.wouldBe.toPrecision(3)} (it is ${nearest.weight})`
  );
}

function totalOf(parts: readonly ScorePart[]): number {
  return parts.reduce((sum, { weight, value }) => sum + weight * value, 0);
}
