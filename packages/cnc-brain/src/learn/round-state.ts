import type { ClusterView } from "../simulator/cluster-view.ts";

/** What is decided beside the view: cores, memory and accelerators given away in the same round. */
export interface RoundState {
  readonly coresTaken: Float64Array;
  readonly memoryTakenMb: Float64Array;
  readonly acceleratorsTaken: Float64Array;
  /** Requests that wait at the gateway, this one included. */
  waiting: number;
  /** By function: how many of its busy containers others already wait for. */
  readonly claims: Map<number, number>;
}

/** A round in which nothing has been decided. */
export function emptyRound(nodeCount: number, waiting = 1): RoundState {
  return {
    coresTaken: new Float64Array(nodeCount),
    memoryTakenMb: new Float64Array(nodeCount),
    acceleratorsTaken: new Float64Array(nodeCount),
    waiting,
    claims: new Map(),
  };
}

/** Whether a node has room beside all sent to it and given away in this round. */
export function hasRoom(
  view: ClusterView,
  node: number,
  functionIndex: number,
  { coresTaken, memoryTakenMb, acceleratorsTaken }: RoundState,
): boolean {
  if (!view.fits(node, functionIndex)) return false;
  const { cores, memoryMb, accelerators } = view.fn(functionIndex);
  const spec = view.node(node);
  const usedCores = (view.coresRequested[node] as number) + (coresTaken[node] as number);
  const usedMb = (view.memoryRequestedMb[node] as number) + (memoryTakenMb[node] as number);
  const usedAccelerators =
    (view.acceleratorsRequested[node] as number) + (acceleratorsTaken[node] as number);
  return (
    usedCores + cores <= spec.cores &&
    usedMb + memoryMb <= spec.memoryMb &&
    usedAccelerators + accelerators <= spec.accelerators
  );
}
