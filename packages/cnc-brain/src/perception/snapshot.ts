import type { ClusterView } from "../simulator/cluster-view.ts";

/** State of one node, from the simulator or a real cluster; one unit for each quantity. */
export interface NodeState {
  name: string;
  isUp: boolean;
  running: number;
  queued: number;
  coresRequested: number;
  memoryRequestedMb: number;
  memoryUsedMb: number;
  acceleratorsRequested: number;
  /** Expected work sent and not finished, core-milliseconds. */
  backlogMs: number;
  /** Idle containers by function name; functions without one are left out. */
  warm: Record<string, number>;
  /** Names of functions whose image is there. */
  images: string[];
}

/** A cluster at one moment, as plain data: what perception hands on. */
export interface ClusterSnapshot {
  /** Where it was seen. */
  source: "simulator" | "kubernetes" | "prometheus" | "openfaas";
  takenAtMs: number;
  nodes: NodeState[];
}

/** How old and how dear a snapshot is. */
export interface SnapshotCost {
  stalenessMs: number;
  /** As JSON. */
  sizeBytes: number;
}

/** The simulator's state as a snapshot. */
export function snapshotOf(view: ClusterView): ClusterSnapshot {
  return {
    source: "simulator",
    takenAtMs: view.nowMs,
    nodes: view.nodes.map(({ name }, i) => ({
      name,
      isUp: view.up[i] !== 0,
      running: view.running[i] as number,
      queued: view.queued[i] as number,
      coresRequested: view.coresRequested[i] as number,
      memoryRequestedMb: view.memoryRequestedMb[i] as number,
      memoryUsedMb: view.memoryUsedMb[i] as number,
      acceleratorsRequested: view.acceleratorsRequested[i] as number,
      backlogMs: view.backlogMs[i] as number,
      warm: Object.fromEntries(
        view.functions.flatMap((fn, f) => {
          const count = view.warmCount(i, f);
          return count > 0 ? [[fn.name, count]] : [];
        }),
      ),
      images: view.functions.flatMap((fn, f) => (view.imageAt(i, f) ? [fn.name] : [])),
    })),
  };
}

/**
 * Writes a snapshot into a view, so that any scheduler can decide on it. Nodes the snapshot does
 * not tell of are taken to be down: nothing is placed on what was not seen.
 *
 * @returns names in the snapshot that the view does not have
 */
export function applySnapshot(view: ClusterView, snapshot: ClusterSnapshot): string[] {
  const indexOf = new Map(view.nodes.map(({ name }, i) => [name, i]));
  const functionOf = new Map(view.functions.map(({ name }, i) => [name, i]));
  view.up.fill(0);
  view.takenAtMs = snapshot.takenAtMs;
  view.nowMs = Math.max(view.nowMs, snapshot.takenAtMs);
  const unknown: string[] = [];
  for (const state of snapshot.nodes) {
    const i = indexOf.get(state.name);
    if (i === undefined) {
      unknown.push(state.name);
      continue;
    }
    view.up[i] = state.isUp ? 1 : 0;
    view.running[i] = state.running;
    view.queued[i] = state.queued;
    view.coresRequested[i] = state.coresRequested;
    view.memoryRequestedMb[i] = state.memoryRequestedMb;
    view.memoryUsedMb[i] = state.memoryUsedMb;
    view.acceleratorsRequested[i] = state.acceleratorsRequested;
    view.backlogMs[i] = state.backlogMs;
    view.version[i] = (view.version[i] as number) + 1;
    const row = i * view.functionCount;
    view.warm.fill(0, row, row + view.functionCount);
    view.hasImage.fill(0, row, row + view.functionCount);
    for (const [name, count] of Object.entries(state.warm)) {
      const f = functionOf.get(name);
      if (f !== undefined) view.warm[row + f] = count;
    }
    for (const name of state.images) {
      const f = functionOf.get(name);
      if (f !== undefined) view.hasImage[row + f] = 1;
    }
  }
  return unknown;
}

/** Age of a snapshot and what moving it takes. */
export function snapshotCost(snapshot: ClusterSnapshot, nowMs: number): SnapshotCost {
  return {
    stalenessMs: nowMs - snapshot.takenAtMs,
    sizeBytes: new TextEncoder().encode(JSON.stringify(snapshot)).length,
  };
}
