import type { InvocationTrace } from "../traces/invocation-trace.ts";
import type { NodeRuntime, NodeUse } from "./node-runtime.ts";
import type { SimulationResult } from "./result.ts";
import type { SimulationOptions } from "./simulate.ts";
import type { Task } from "./task.ts";

interface NodeMark extends NodeUse {
  idleMemoryMbMs: number;
}

/** What is written down while a simulation runs. */
export class ResultColumns {
  readonly responseMs: Float64Array;
  readonly delayMs: Float64Array;
  readonly node: Int32Array;
  readonly isCold: Uint8Array;
  readonly countedFrom: number;
  readonly decisionUs: number[] = [];
  decisionCount = 0;
  answeredCount = 0;
  lostCount = 0;
  retryCount = 0;
  snapshotCount = 0;
  snapshotBytes = 0;
  ageMsSum = 0;
  /** Integrals at the end of the warm-up. */
  marks: NodeMark[] = [];

  constructor(
    trace: InvocationTrace,
    readonly warmupMs: number,
  ) {
    this.responseMs = new Float64Array(trace.count).fill(Number.NaN);
    this.delayMs = new Float64Array(trace.count).fill(Number.NaN);
    this.node = new Int32Array(trace.count).fill(-1);
    this.isCold = new Uint8Array(trace.count);
    const first = trace.arrivalMs.findIndex((at) => at >= warmupMs);
    this.countedFrom = first < 0 ? trace.count : first;
  }

  startMeasuring(nodes: readonly NodeRuntime[]): void {
    this.marks = nodes.map(markOf);
  }

  onSnapshot(bytes: number): void {
    this.snapshotCount++;
    this.snapshotBytes += bytes;
  }

  onDecision(ageMs: number): void {
    this.decisionCount++;
    this.ageMsSum += ageMs;
  }

  onExecuted(task: Task): void {
    this.delayMs[task.id] = task.executeMs - task.arrivalMs;
    this.node[task.id] = task.node;
    this.isCold[task.id] = task.isCold ? 1 : 0;
  }

  onAnswered(task: Task, responseMs: number): void {
    this.responseMs[task.id] = responseMs;
    this.answeredCount++;
  }
}

function markOf(node: NodeRuntime): NodeMark {
  return { ...node.use(), idleMemoryMbMs: node.pool.idleMbMsUntilNow() };
}

/** Puts a simulation's result together. */
export function collectResult(
  { trace, functions }: SimulationOptions,
  columns: ResultColumns,
  runtimes: readonly NodeRuntime[],
  endMs: number,
): SimulationResult {
  const nodes = runtimes.map((runtime, i) => {
    const end = markOf(runtime);
    const start = columns.marks[i] ?? { coreMs: 0, memoryMbMs: 0, upMs: 0, idleMemoryMbMs: 0 };
    return {
      spec: runtime.spec,
      coreMs: end.coreMs - start.coreMs,
      memoryMbMs: end.memoryMbMs - start.memoryMbMs,
      idleMemoryMbMs: end.idleMemoryMbMs - start.idleMemoryMbMs,
      upMs: end.upMs - start.upMs,
    };
  });
  const total = (of: (counts: NodeRuntime["pool"]["counts"]) => number) =>
    runtimes.reduce((sum, { pool }) => sum + of(pool.counts), 0);
  return {
    functions,
    nodes,
    responseMs: columns.responseMs,
    delayMs: columns.delayMs,
    node: columns.node,
    isCold: columns.isCold,
    functionIndex: trace.functionIndex,
    countedFrom: columns.countedFrom,
    measuredMs: Math.max(0, endMs - columns.warmupMs),
    lostCount: columns.lostCount,
    retryCount: columns.retryCount,
    decisionCount: columns.decisionCount,
    decisionUs: columns.decisionUs,
    containers: {
      created: total((c) => c.created),
      prewarmed: total((c) => c.prewarmed),
      evicted: total((c) => c.evicted),
      expired: total((c) => c.expired),
    },
    snapshots: {
      taken: columns.snapshotCount,
      bytes: columns.snapshotBytes,
      ageMsMean: columns.decisionCount === 0 ? 0 : columns.ageMsSum / columns.decisionCount,
    },
  };
}
