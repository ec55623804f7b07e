import type { Prng } from "@fmlab/sim";
import { AuditJournal } from "../adapters/audit-journal.ts";
import { Brain } from "../adapters/brain.ts";
import { BrainMetrics } from "../adapters/brain-metrics.ts";
import type { Timekeeper } from "../adapters/timekeeper.ts";
import { Governor } from "../governance/governor.ts";
import { PolicySet } from "../governance/policies.ts";
import { createScheduler } from "../scheduling/registry.ts";
import { ClusterView } from "../simulator/cluster-view.ts";
import type { TestbedNode } from "./testbed-node.ts";
import type { TestbedPlan } from "./testbed-plan.ts";

/** What came of a trace on the testbed; one entry a request. */
export interface DriveResult {
  /** From arrival to the answer at the user; NaN: it failed. */
  responseMs: Float64Array;
  isCold: Uint8Array;
  node: Int32Array;
  /** How much later than planned each request was sent: the driver's own fault. */
  latenessMs: Float64Array;
  failures: string[];
}

/** What a drive needs. */
export interface DriveParts {
  plan: TestbedPlan;
  nodes: readonly TestbedNode[];
  policy: string;
  prng: Prng;
  time: Timekeeper;
  signal: AbortSignal;
  onProgress: (done: number) => void;
}

/** A request at the gateway. */
interface Waiting {
  id: number;
  attempt: number;
  resolve: (node: number) => void;
}

/**
 * Sends a trace through the testbed in real time: each request arrives when the trace says, is
 * decided by the policy behind the governor, travels half a round trip, runs on a real process of
 * the chosen node, and travels back.
 */
export class TraceDriver {
  readonly #parts: DriveParts;
  readonly #view: ClusterView;
  readonly #brain: Brain;
  readonly #governor: Governor;
  readonly #waiting: Waiting[] = [];
  readonly #result: DriveResult;
  #startMs = 0;
  #done = 0;

  constructor(parts: DriveParts) {
    this.#parts = parts;
    const { plan, policy, prng, time } = parts;
    const { nodes, functions, network, trace } = plan;
    this.#view = new ClusterView(nodes, functions, network);
    this.#view.hasImage.fill(1);
    this.#governor = new Governor(functions, nodes, new PolicySet([], network.siteNames), []);
    this.#brain = new Brain({
      scheduler: createScheduler(policy, prng),
      fallback: createScheduler("least-connections", prng),
      journal: new AuditJournal(),
      metrics: new BrainMetrics(),
      clock: time,
    });
    this.#result = {
      responseMs: new Float64Array(trace.count).fill(Number.NaN),
      isCold: new Uint8Array(trace.count),
      node: new Int32Array(trace.count).fill(-1),
      latenessMs: new Float64Array(trace.count),
      failures: [],
    };
  }

  /** Runs the whole trace, or until the signal is aborted. */
  async run(): Promise<DriveResult> {
    const { plan, time, signal } = this.#parts;
    const { arrivalMs, count } = plan.trace;
    const running: Promise<void>[] = [];
    this.#startMs = time.nowMs();
    for (let id = 0; id < count && !signal.aborted; id++) {
      const dueMs = this.#startMs + (arrivalMs[id] as number);
      const aheadMs = dueMs - time.nowMs();
      if (aheadMs > 0) await time.sleep(aheadMs, signal);
      this.#result.latenessMs[id] = Math.max(0, time.nowMs() - dueMs);
      running.push(this.#serve(id, time.nowMs()));
    }
    await Promise.all(running);
    return this.#result;
  }

  async #serve(id: number, arrivedMs: number): Promise<void> {
    const { plan, nodes, time, signal, onProgress } = this.#parts;
    const fn = plan.trace.functionIndex[id] as number;
    const site = plan.trace.site[id] as number;
    const node = await this.#place(id);
    const spec = this.#view.node(node);
    const halfMs = this.#view.rttMs(site, node) / 2;
    try {
      await time.sleep(halfMs, signal);
      const workMs = (plan.trace.durationMs[id] as number) / spec.speed;
      const { name } = this.#view.fn(fn);
      const answer = await (nodes[node] as TestbedNode).invoke(name, workMs, plan.cpuShare);
      await time.sleep(halfMs, signal);
      this.#result.responseMs[id] = time.nowMs() - arrivedMs;
      this.#result.isCold[id] = answer.isCold ? 1 : 0;
    } catch (error) {
      this.#result.failures.push(error instanceof Error ? error.message : String(error));
    }
    this.#result.node[id] = node;
    this.#count(fn, node, -1);
    this.#governor.release(fn);
    onProgress(++this.#done);
    this.#retry();
  }

  /** The node of a request, now or when the policy no longer lets it wait. */
  #place(id: number): Promise<number> {
    return new Promise((resolve) => {
      const fn = this.#parts.plan.trace.functionIndex[id];
      const one = { id, attempt: 0, resolve };
      const isBehind = this.#waiting.some(
        (other) => this.#parts.plan.trace.functionIndex[other.id] === fn,
      );
      if (isBehind || !this.#decide(one)) this.#waiting.push(one);
    });
  }

  #decide(one: Waiting): boolean {
    const { plan, nodes } = this.#parts;
    const view = this.#view;
    const functionIndex = plan.trace.functionIndex[one.id] as number;
    const site = plan.trace.site[one.id] as number;
    nodes.forEach((node, i) => {
      const at = i * view.functionCount + functionIndex;
      view.warm[at] = node.idleOf(view.fn(functionIndex).name);
    });
    view.takenAtMs = this.#parts.time.nowMs();
    const { id, attempt } = one;
    const arrivalMs = this.#startMs + (plan.trace.arrivalMs[id] as number);
    const ask = { id, label: String(id), functionIndex, site, arrivalMs, attempt };
    const verdict = this.#brain.decide(ask, { view, governor: this.#governor });
    one.attempt++;
    const node = verdict.kind === "placed" ? verdict.nodes[0] : undefined;
    if (node === undefined) return false;
    this.#count(functionIndex, node, 1);
    one.resolve(node);
    return true;
  }

  /** The earliest of each function that waits is asked about again. */
  #retry(): void {
    const tried = new Set<number>();
    for (const one of [...this.#waiting]) {
      const fn = this.#parts.plan.trace.functionIndex[one.id] as number;
      if (tried.has(fn)) continue;
      if (this.#decide(one)) this.#waiting.splice(this.#waiting.indexOf(one), 1);
      else tried.add(fn);
    }
  }

  /** What was sent and has not ended, in the columns that policies read. */
  #count(functionIndex: number, node: number, sign: 1 | -1): void {
    const view = this.#view;
    const fn = view.fn(functionIndex);
    const add = (column: Int32Array | Float64Array, amount: number) => {
      column[node] = (column[node] as number) + sign * amount;
    };
    // How many of them run is the node's own business; their sum is what policies compare.
    add(view.queued, 1);
    add(view.coresRequested, fn.cores);
    add(view.backlogMs, (fn.meanDurationMs * fn.cores) / view.node(node).speed);
    view.version[node] = (view.version[node] as number) + 1;
  }
}
