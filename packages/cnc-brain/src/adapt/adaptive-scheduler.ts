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
  /**
   * Evidence is gathered, and the policy learns, this often; later where fewer requests than a
   * block have come, unless something has shifted.
   */
  epochMs: number;
  /** At most so many of an epoch's requests are played in the twin. */
  twinRequestsMax: number;
  /** Requests before those fill the twin up; they are not counted. */
  twinWarmRequests: number;
  /** Requests are counted and costs averaged over so long before detectors see them, */
  binMs: number;
  /** costs over at least so many answers. */
  binRequests: number;
  /** An epoch is compared in blocks of at least so many requests, each one comparison. */
  blockRequests: number;
  /** Draws of the requests' durations that a comparison is the mean of. */
  twinDraws: number;
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

/** A bin ends after so many times its length, however few answers it has. */
const LONGEST_BIN = 6;

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
  /** Requests without an answer, and those of them that were there when the epoch began. */
  readonly #open = new Map<number, SeenRequest>();
  #backlog: SeenRequest[] = [];
  /** What requests of this epoch that were answered in it cost in truth. */
  #paid = new Map<SeenRequest, number>();
  #lastId = -1;
  #epochEndMs = Number.NaN;
  #epochs = 0;
  #lesson: Promise<void> | undefined;
  #drift = "";
  #up: Uint8Array | undefined;
  #functions: readonly FunctionSpec[] = [];
  /** Requests and answers since each bin began. */
  #arrivals = { startMs: Number.NaN, count: 0 };
  #answers = { startMs: Number.NaN, sum: 0, count: 0 };
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

  /** The lesson that is going on beside the gateway, if one is. */
  get lesson(): Promise<void> | undefined {
    return this.#lesson;
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
    const seen = this.#open.get(outcome.request.id);
    this.#open.delete(outcome.request.id);
    if (seen !== undefined) this.#paid.set(seen, costOf(outcome.responseMs, fn.sloMs));
    this.#answers.sum += costOf(outcome.responseMs, fn.sloMs);
    this.#answers.count++;
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
    const isEnough = this.#seen.length >= this.#options.blockRequests || this.#drift !== "";
    if (view.nowMs >= this.#epochEndMs && isEnough) {
      this.#endEpoch(view);
      const { epochMs } = this.#options;
      while (this.#epochEndMs <= view.nowMs) this.#epochEndMs += epochMs;
    }
    if (request.id <= this.#lastId) return;
    this.#lastId = request.id;
    this.#arrivals.count++;
    const { arrivalMs, functionIndex, site } = request;
    const seen = { arrivalMs, functionIndex, site };
    this.#seen.push(seen);
    this.#open.set(request.id, seen);
  }

  /** Tells the detectors of bins that are over. */
  #endBins(nowMs: number): void {
    const { binMs, binRequests } = this.#options;
    const { cost, traffic } = this.#parts.detectors;
    const arrivals = this.#arrivals;
    if (!(nowMs - arrivals.startMs < binMs)) {
      const perSecond = (1000 * arrivals.count) / (nowMs - arrivals.startMs);
      if (arrivals.count > 0) this.#tell("traffic", traffic, Math.log(perSecond));
      this.#arrivals = { startMs: nowMs, count: 0 };
    }
    const { startMs, sum, count } = this.#answers;
    // Few answers are too noisy to tell a shift by, unless hardly any come any more.
    const isFull = count >= binRequests || nowMs - startMs >= LONGEST_BIN * binMs;
    if (nowMs - startMs < binMs || (!isFull && !Number.isNaN(startMs))) return;
    if (count > 0) this.#tell("cost", cost, Math.log(Math.max(1e-6, sum / count)));
    this.#answers = { startMs: nowMs, sum: 0, count: 0 };
  }

  #tell(what: string, detectors: readonly DriftDetector[], value: number): void {
    if (Number.isFinite(value) && detectors.some((one) => one.add(value))) this.#shift(what);
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
    this.#paid = new Map();
    // Of requests that were given up nobody tells: the oldest are forgotten at last.
    for (const id of this.#open.keys()) {
      if (this.#open.size <= this.#options.twinWarmRequests) break;
      this.#open.delete(id);
    }
    this.#backlog = [...this.#open.values()];
    this.#drift = "";
  }

  #learn(window: TwinWindow): void {
    if (this.#lesson !== undefined) return;
    try {
      const lesson = this.#parts.learner.learn(window);
      if (lesson === undefined) this.#adopt();
      else this.#lesson = this.#await(lesson);
    } catch {
      // A learner that fails costs its lesson; the version before goes on, behind the gate.
      this.failedLessons++;
    }
    this.#gate.reset();
  }

  async #await(lesson: Promise<void>): Promise<void> {
    try {
      await lesson;
      this.#adopt();
      this.#gate.reset();
    } catch {
      this.failedLessons++;
    }
    this.#lesson = undefined;
  }

  /** What was learned is the candidate from now on; the gate has still to open for it. */
  #adopt(): void {
    this.#version = this.#parts.learner.version();
    this.#candidate = this.#version.create();
  }

  /** Both policies on the same requests; each block is one comparison. */
  #compare(window: TwinWindow): { verdict: GateStep; advantage: number } {
    let gains: Float64Array;
    try {
      gains = this.#gains(window);
    } catch {
      // The candidate broke the mask, or itself, where nobody was hurt.
      this.overruled++;
      this.#gate.reset();
      return { verdict: "given-up", advantage: Number.NaN };
    }
    // As many blocks as there can be, of even sizes: no request is left out.
    const blocks = Math.max(1, Math.floor(gains.length / this.#options.blockRequests));
    let verdict: GateStep = "shadow";
    for (let block = 0; block < blocks; block++) {
      const from = Math.round((block * gains.length) / blocks);
      const to = Math.round(((block + 1) * gains.length) / blocks);
      const next = this.#gate.compare(meanOf(gains.subarray(from, to)), to - from);
      // An opening or an ending is the epoch's verdict, whatever follows in it.
      if (next !== "acting" || verdict === "shadow") verdict = next;
      if (next === "closed" || next === "given-up") break;
    }
    return { verdict, advantage: meanOf(gains) };
  }

  /** What each counted request would cost less under the candidate, mean over draws. */
  #gains(window: TwinWindow): Float64Array {
    const { twinDraws } = this.#options;
    const gains = new Float64Array(window.requests.length - window.countedFrom);
    const counted = window.requests.slice(window.countedFrom);
    // Where those it placed were dearer in truth than in its twin, that counts against it.
    let dearer = 0;
    let known = 0;
    for (let draw = 0; draw < twinDraws; draw++) {
      const drawn = { ...window, seed: window.seed * twinDraws + draw };
      const theirs = playTwin(drawn, this.#parts.createFallback());
      const ours = playTwin(drawn, this.#version.create());
      for (let i = 0; i < gains.length; i++) {
        const gain = (theirs[i] as number) - (ours[i] as number);
        gains[i] = (gains[i] as number) + gain / twinDraws;
        const paid = this.#paid.get(counted[i] as SeenRequest);
        if (paid === undefined) continue;
        dearer += paid - (ours[i] as number);
        known++;
      }
    }
    if (!this.#gate.isOpen || known === 0 || dearer <= 0) return gains;
    return gains.map((gain) => gain - dearer / known);
  }

  #window(view: ClusterView): TwinWindow {
    const { twinRequestsMax, twinWarmRequests } = this.#options;
    const counted = this.#seen.slice(-twinRequestsMax);
    const earlier = this.#seen.slice(0, this.#seen.length - counted.length);
    // What comes before fills containers, and what had no answer when the epoch began waits there
    // at once: the twin is not to be emptier than the truth.
    const waiting = new Set(this.#backlog);
    const answered = this.#before.filter((one) => !waiting.has(one));
    const startMs = this.#seen[0]?.arrivalMs ?? 0;
    const backlog = this.#backlog.map((one) => ({ ...one, arrivalMs: startMs }));
    const warm = [...answered.slice(-twinWarmRequests), ...backlog, ...earlier];
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

function meanOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

function isInside(decision: Decision, { candidates }: PlacementRequest): boolean {
  if (decision === QUEUE) return true;
  const nodes = typeof decision === "number" ? [decision] : decision;
  return nodes.length > 0 && nodes.every((node) => candidates.mask[node] === 1);
}
