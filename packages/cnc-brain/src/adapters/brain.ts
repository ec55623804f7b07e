import type { Clock } from "@fmlab/sim";
import type { Governor } from "../governance/governor.ts";
import type { Scheduler } from "../scheduling/scheduler.ts";
import { type Decision, type PlacementRequest, QUEUE } from "../scheduling/scheduler.ts";
import { selects } from "../simulator/admission.ts";
import type { ClusterView } from "../simulator/cluster-view.ts";
import type { AuditJournal } from "./audit-journal.ts";
import type { BrainMetrics } from "./brain-metrics.ts";

/** What a decision is asked about. */
export interface Ask {
  /** Of the caller's choice; the log and the scheduler see it. */
  id: number;
  /** How people name it, e.g. `shop/cart-7f9c`; for the log. */
  label: string;
  functionIndex: number;
  site: number;
  arrivalMs: number;
  attempt: number;
  /** Why a node will not do for reasons that rules and sizes do not know; undefined: it will. */
  exclude?: (node: number) => string | undefined;
}

/** What was decided. */
export type Verdict =
  /** Chosen nodes; several mean late binding, in no order. */
  | { kind: "placed"; request: PlacementRequest; nodes: number[]; scheduler: string }
  /** There are candidates, and the scheduler wants the request to wait. */
  | { kind: "queued" }
  /** The tenant's quota is used up. */
  | { kind: "over-quota" }
  /** No node is a candidate; how many nodes each reason excludes. */
  | { kind: "nowhere"; reasons: Map<string, number> };

/** The cluster as the brain sees it now, and who may use how much of it. */
export interface BrainModel {
  view: ClusterView;
  governor: Governor;
}

/** What a brain is made of. */
export interface BrainParts {
  scheduler: Scheduler;
  /** Decides when the scheduler throws or chooses what the mask forbids. */
  fallback: Scheduler;
  journal: AuditJournal;
  metrics: BrainMetrics;
  clock: Clock;
}

/**
 * Decides requests of a live cluster. Rules, sizes and failures are judged first and make the mask;
 * the scheduler chooses inside it; what it chooses outside is never done. Every decision is logged.
 */
export class Brain {
  readonly #parts: BrainParts;

  constructor(parts: BrainParts) {
    this.#parts = parts;
  }

  get scheduler(): Scheduler {
    return this.#parts.scheduler;
  }

  /** Decides one request and takes its share of the tenant's quota if it is placed. */
  decide(ask: Ask, model: BrainModel): Verdict {
    const { clock, metrics, journal } = this.#parts;
    const startMs = clock.nowMs();
    const verdict = this.#judge(ask, model, startMs);
    metrics.decisionSeconds.observe((clock.nowMs() - startMs) / 1000);
    const scheduler = verdict.kind === "placed" ? verdict.scheduler : this.scheduler.name;
    metrics.decisions.inc({ scheduler, result: verdict.kind });
    const { view } = model;
    const fn = view.fn(ask.functionIndex);
    journal.append(startMs, verdict.kind, {
      request: ask.id,
      label: ask.label,
      function: fn.name,
      tenant: fn.tenant,
      scheduler,
      node: verdict.kind === "placed" ? verdict.nodes.map((n) => view.node(n).name).join("|") : "",
      attempt: ask.attempt,
      snapshotAgeMs: Math.max(0, view.nowMs - view.takenAtMs),
    });
    return verdict;
  }

  #judge(ask: Ask, { view, governor }: BrainModel, nowMs: number): Verdict {
    view.nowMs = nowMs;
    const { candidates, reasons } = candidatesOf(ask, view, governor);
    if (candidates.nodes.length === 0) return { kind: "nowhere", reasons };
    if (!governor.acquire(ask.functionIndex)) return { kind: "over-quota" };
    const { id, functionIndex, site, arrivalMs, attempt } = ask;
    const request = { id, functionIndex, site, arrivalMs, attempt, candidates };
    const { decision, by } = this.#ask(request, view);
    if (decision === QUEUE) {
      governor.release(functionIndex);
      return { kind: "queued" };
    }
    const nodes = typeof decision === "number" ? [decision] : [...decision];
    return { kind: "placed", request, nodes, scheduler: by };
  }

  #ask(request: PlacementRequest, view: ClusterView): { decision: Decision; by: string } {
    const { scheduler, fallback, metrics } = this.#parts;
    for (const one of [scheduler, fallback]) {
      let reason = "broke-mask";
      try {
        const decision = one.place(request, view);
        if (isInside(decision, request)) return { decision, by: one.name };
      } catch {
        reason = "threw";
      }
      if (one === scheduler) metrics.fallbacks.inc({ reason });
    }
    return { decision: QUEUE, by: fallback.name };
  }
}

/** Candidates of a request, and how many nodes each reason leaves out. */
export function candidatesOf(
  { functionIndex, exclude }: Pick<Ask, "functionIndex" | "exclude">,
  view: ClusterView,
  governor: Governor,
): { candidates: PlacementRequest["candidates"]; reasons: Map<string, number> } {
  const mask = new Uint8Array(view.nodeCount);
  const nodes: number[] = [];
  const reasons = new Map<string, number>();
  for (let node = 0; node < view.nodeCount; node++) {
    const reason = whyNot(functionIndex, node, view, governor) ?? exclude?.(node);
    if (reason === undefined) {
      mask[node] = 1;
      nodes.push(node);
    } else {
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    }
  }
  return { candidates: { mask, nodes: Int32Array.from(nodes) }, reasons };
}

function whyNot(
  functionIndex: number,
  node: number,
  view: ClusterView,
  governor: Governor,
): string | undefined {
  const fn = view.fn(functionIndex);
  const spec = view.node(node);
  if (view.up[node] === 0) return "node(s) were not ready";
  if (!governor.allows(functionIndex, node)) return "node(s) were forbidden by a policy";
  if (spec.cores < fn.cores || spec.memoryMb < fn.memoryMb) return "node(s) were too small";
  if (spec.accelerators < fn.accelerators) return "node(s) had too few accelerators";
  if (!selects(fn.nodeSelector, spec.labels)) return "node(s) didn't match the node selector";
  return undefined;
}

function isInside(decision: Decision, { candidates }: PlacementRequest): boolean {
  if (decision === QUEUE) return true;
  const nodes = typeof decision === "number" ? [decision] : decision;
  return nodes.length > 0 && nodes.every((node) => candidates.mask[node] === 1);
}
