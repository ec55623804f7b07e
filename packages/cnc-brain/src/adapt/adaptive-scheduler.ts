import {
  type Decision,
  type Outcome,
  type PlacementRequest,
  QUEUE,
  type Scheduler,
} from "../scheduling/scheduler.ts";
import type { Admission } from "../simulator/admission.ts";
import type { ClusterView } from "../simulator/cluster-view.ts";
import type { FunctionSpec } from "../simulator/specs.ts";
import { costOf } from "../simulator/summary.ts";
import { playTwin, type SeenRequest, type TwinWindow } from "./digital-twin.ts";
import type { DriftDetector } from "./drift.ts";
import type { PolicyLearner, PolicyVersion } from "./policy-learner.ts";
import { type GateOptions, type GateStep, ShadowGate } from "./shadow-gate.ts";

/** How an adaptive scheduler works. */
export interface AdaptiveOptions {
  /** Evidence is gathered, and the policy learns, this often. */
  epochMs: number;
  /** At most so many of an epoch's requests are played in the twin. */
  twinRequestsMax: number;
  /** Requests before those fill the twin up; they are not counted. */
  twinWarmRequests: number;
  /** Costs are averaged over so long before detectors see them. */
  binMs: number;
  /** An epoch is compared in blocks of so many requests, each one comparison. */
  blockRequests: number;
  gate: GateOptions;
}

/** What an adaptive scheduler needs. */
export interface AdaptiveParts {
  /** Acts while nothing better is shown; made anew for each twin. */
  createFallback: () => Scheduler;
  learner: PolicyLearner;
  /**
   * Told the logarithm of each bin's mean cost, and of its number of requests; single requests hang
   * together too much.
   */
  detectors: { cost: readonly DriftDetector[]; traffic: readonly DriftDetector[] };
  /** Rules that hold in the twin as in the cluster. */
  rules: Pick<Admission, "allows">;
  onEpoch?: (epoch: EpochRecord) => void;
}

/** What happened at the end of one epoch. */
export interface EpochRecord {
  atMs: number;
  requests: number;
  /** Who decides from now on. */
  acting: string;
  version: string;
  verdict: GateStep;
  /** Mean advantage of the candidate in this epoch's twin, and its lower bound so far. */
  advantage: number;
  lowerBound: number;
  /** Why a shift was called in this epoch; empty: none was. */
  drift: string;
}

/**
 * A scheduler that adapts: a fall-back decides, a candidate learns in a twin of the cluster from
 * the last requests, and acts only while the gate is open. A shift, told by a detector or seen in
 * the nodes, closes the gate at once, throws the evidence away and teaches the candidate anew.
 *
 * A candidate that throws or chooses outside the mask is overruled by the fall-back and closed out.
 */
export class AdaptiveScheduler implements Scheduler {
  readonly name = "adaptive";
  readonly #options: AdaptiveOptions;
  readonly #parts: AdaptiveParts;
  readonly #fallback: Scheduler;
  readonly #gate: ShadowGate;
  #version: PolicyVersion;
  #candidate: Scheduler;
  #seen: SeenRequest[] = [];
  #before: SeenRequest[] = [];
  #lastId = -1;
  #epochEndMs = Number.NaN;
  #epochs = 0;
  #drift = "";
  #up: Uint8Array | undefined;
  #functions: readonly FunctionSpec[] = [];
  #bin = { endMs: Number.NaN, sum: 0, answered: 0, arrived: 0 };
  /** Choices of candidates outside the mask, or none at all: overruled, never done. */
  overruled = 0;
  /** Lessons that threw. */
  failedLessons = 0;

  constructor(options: AdaptiveOptions, parts: AdaptiveParts) {
    this.#options = options;
    this.#parts = parts;
    this.#fallback = parts.createFallback();
    this.#gate = new ShadowGate(options.gate);
    this.#version = parts.learner.version();
    this.#candidate = this.#version.create();
  }

  /** The most that acting candidates lost to the fall-back in one time of acting, by the twin. */
  get worstLoss(): number {
    return this.#gate.worstLoss;
  }

  get isCandidateActing(): boolean {
    return this.#gate.isOpen;
  }

  place(request: PlacementRequest, view: ClusterView): Decision {
    this.#watch(request, view);
    if (this.#gate.isOpen) {
      const decision = this.#tryCandidate(request, view);
      if (decision !== undefined) return decision;
    }
    return this.#fallback.place(request, view);
  }

  onFinished(outcome: Outcome): void {
    this.#fallback.onFinished?.(outcome);
    this.#candidate.onFinished?.(outcome);
    const fn = this.#functions[outcome.request.functionIndex];
    if (fn === undefined) return;
    this.#bin.sum += costOf(outcome.responseMs, fn.sloMs);
    this.#bin.answered++;
  }

  #tryCandidate(request: PlacementRequest, view: ClusterView): Decision | undefined {
    try {
      const decision = this.#candidate.place(request, view);
      if (isInside(decision, request)) return decision;
    } catch {
      // Counted below with what breaks the mask: both mean that it may not act.
    }
    this.overruled++;
    this.#gate.reset();
    return undefined;
  }

  #watch(request: PlacementRequest, view: ClusterView): void {
    this.#functions = view.functions;
    if (Number.isNaN(this.#epochEndMs)) this.#epochEndMs = view.nowMs + this.#options.epochMs;
    if (this.#up === undefined) this.#up = view.up.slice();
    else if (this.#up.some((up, node) => up !== view.up[node])) {
      this.#up = view.up.slice();
      this.#shift("nodes");
    }
    this.#endBins(view.nowMs);
    if (view.nowMs >= this.#epochEndMs) {
      this.#endEpoch(view);
      const { epochMs } = this.#options;
      while (this.#epochEndMs <= view.nowMs) this.#epochEndMs += epochMs;
    }
    if (request.id <= this.#lastId) return;
    this.#lastId = request.id;
    this.#bin.arrived++;
    const { arrivalMs, functionIndex, site } = request;
    this.#seen.push({ arrivalMs, functionIndex, site });
  }

  /** Tells the detectors of a bin that is over. */
  #endBins(nowMs: number): void {
    const { binMs } = this.#options;
    if (Number.isNaN(this.#bin.endMs)) this.#bin.endMs = nowMs + binMs;
    if (nowMs < this.#bin.endMs) return;
    const { sum, answered, arrived } = this.#bin;
    const behindMs = nowMs - this.#bin.endMs;
    this.#bin = { endMs: nowMs + binMs - (behindMs % binMs), sum: 0, answered: 0, arrived: 0 };
    const { cost, traffic } = this.#parts.detectors;
    const told: [string, readonly DriftDetector[], number][] = [
      ["cost", cost, answered === 0 ? Number.NaN : Math.log(Math.max(1e-6, sum / answered))],
      ["traffic", traffic, arrived === 0 ? Number.NaN : Math.log(arrived)],
    ];
    for (const [what, detectors, value] of told) {
      if (Number.isNaN(value)) continue;
      if (detectors.some((one) => one.add(value))) this.#shift(what);
    }
  }

  /** What was learned and shown before holds no longer. */
  #shift(reason: string): void {
    this.#gate.reset();
    this.#drift = this.#drift === "" ? reason : this.#drift;
    const { cost, traffic } = this.#parts.detectors;
    for (const detector of [...cost, ...traffic]) detector.reset();
  }

  #endEpoch(view: ClusterView): void {
    const { onEpoch } = this.#parts;
    const window = this.#window(view);
    const requests = this.#seen.length;
    const drift = this.#drift;
    let verdict: GateStep = this.#gate.isOpen ? "acting" : "shadow";
    let advantage = Number.NaN;
    // On requests that the version was not taught with: first compared, then learned from.
    if (drift === "" && requests >= this.#options.blockRequests) {
      const compared = this.#compare(window);
      ({ verdict, advantage } = compared);
    }
    // Without evidence there is nothing to wait for: the candidate may learn.
    if (requests > 0 && (this.#gate.comparisons === 0 || drift !== "")) this.#learn(window);
    onEpoch?.({
      atMs: view.nowMs,
      requests,
      acting: this.#gate.isOpen ? this.#version.name : this.#fallback.name,
      version: this.#version.name,
      verdict,
      advantage,
      lowerBound: this.#gate.lowerBound,
      drift,
    });
    this.#before.push(...this.#seen);
    this.#before.splice(0, this.#before.length - this.#options.twinWarmRequests);
    this.#seen = [];
    this.#drift = "";
  }

  #learn(window: TwinWindow): void {
    const { learner } = this.#parts;
    try {
      learner.learn(window);
      this.#version = learner.version();
      this.#candidate = this.#version.create();
    } catch {
      // A learner that fails costs its lesson; the version before goes on, behind the gate.
      this.failedLessons++;
    }
    this.#gate.reset();
  }

  /** Both policies on the same requests; each block is one comparison. */
  #compare(window: TwinWindow): { verdict: GateStep; advantage: number } {
    const { blockRequests } = this.#options;
    const theirs = playTwin(window, this.#parts.createFallback());
    let ours: Float64Array;
    try {
      ours = playTwin(window, this.#version.create());
    } catch {
      // It broke the mask, or itself, where nobody was hurt.
      this.overruled++;
      this.#gate.reset();
      return { verdict: "given-up", advantage: Number.NaN };
    }
    let verdict: GateStep = "shadow";
    let sum = 0;
    for (let at = 0; at + blockRequests <= ours.length; at += blockRequests) {
      let block = 0;
      for (let i = at; i < at + blockRequests; i++) {
        block += (theirs[i] as number) - (ours[i] as number);
      }
      sum += block;
      const next = this.#gate.compare(block / blockRequests, blockRequests);
      // An opening or an ending is the epoch's verdict, whatever follows in it.
      if (next !== "acting" || verdict === "shadow") verdict = next;
      if (next === "closed" || next === "given-up") break;
    }
    return { verdict, advantage: sum / Math.max(1, ours.length) };
  }

  #window(view: ClusterView): TwinWindow {
    const { twinRequestsMax, twinWarmRequests } = this.#options;
    const counted = this.#seen.slice(-twinRequestsMax);
    // What comes before fills queues and containers: the twin is not to be emptier than the truth.
    const earlier = this.#seen.slice(0, this.#seen.length - counted.length);
    const warm = [...this.#before, ...earlier].slice(-twinWarmRequests);
    const requests = [...warm, ...counted];
    return {
      nodes: view.nodes,
      functions: view.functions,
      network: view.network,
      up: view.up.slice(),
      requests,
      countedFrom: requests.length - counted.length,
      seed: this.#epochs++,
      allows: (functionIndex, node) => this.#parts.rules.allows(functionIndex, node),
    };
  }
}

function isInside(decision: Decision, { candidates }: PlacementRequest): boolean {
  if (decision === QUEUE) return true;
  const nodes = typeof decision === "number" ? [decision] : decision;
  return nodes.length > 0 && nodes.every((node) => candidates.mask[node] === 1);
}
