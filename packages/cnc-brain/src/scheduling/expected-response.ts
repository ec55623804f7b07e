import { type ClusterView, transferMs } from "../simulator/cluster-view.ts";

/** What a response would be made of, by what the snapshot tells; milliseconds. */
export interface ExpectedResponse {
  /** Round trip, and the request and answer at the path's capacity as if alone. */
  network: number;
  /** Until the node's cores are free, by mean durations. */
  wait: number;
  /** Container start, image included, when none is idle. */
  start: number;
  /** Fetching the function's data. */
  data: number;
  run: number;
}

/** Predicts the parts of a response from a node for a user's site. */
export function expectedResponse(
  view: ClusterView,
  functionIndex: number,
  site: number,
  node: number,
): ExpectedResponse {
  const fn = view.fn(functionIndex);
  const spec = view.node(node);
  const speed = fn.accelerators > 0 ? spec.acceleratorSpeed : spec.speed;
  let network = view.rttMs(site, node);
  if (fn.requestKb + fn.responseKb > 0) {
    network += transferMs((fn.requestKb + fn.responseKb) / 1000, capacityMbps(view, site, node));
  }
  let data = 0;
  if (fn.dataSite !== undefined) {
    data =
      view.rttMs(fn.dataSite, node) +
      transferMs(fn.dataKb / 1000, capacityMbps(view, fn.dataSite, node));
  }
  return {
    network,
    data,
    wait: expectedWaitMs(view, functionIndex, node),
    start: view.startupMs(node, functionIndex),
    run: fn.meanDurationMs / speed,
  };
}

/** Sum of the parts. */
export function totalOf(parts: ExpectedResponse): number {
  return parts.network + parts.wait + parts.start + parts.data + parts.run;
}

/**
 * Until a new request's cores and accelerators are free: of all work sent to the node, the part
 * that lies beyond what it can hold at once, over what there is.
 */
export function expectedWaitMs(view: ClusterView, functionIndex: number, node: number): number {
  const spec = view.node(node);
  const fn = view.fn(functionIndex);
  const backlogMs = view.backlogMs[node] as number;
  const forCores = waitFor(view.coresRequested[node] as number, fn.cores, spec.cores, backlogMs);
  if (fn.accelerators === 0) return forCores;
  const asked = view.acceleratorsRequested[node] as number;
  return Math.max(forCores, waitFor(asked, fn.accelerators, spec.accelerators, backlogMs));
}

function waitFor(asked: number, more: number, size: number, backlogMs: number): number {
  const beyond = asked + more - size;
  if (beyond <= 0 || asked === 0) return 0;
  return (backlogMs * Math.min(1, beyond / asked)) / size;
}

function capacityMbps(view: ClusterView, site: number, node: number): number {
  const spec = view.node(node);
  let least = spec.accessMbps;
  for (const link of view.network.path(site, spec.site)) {
    least = Math.min(least, view.network.capacityMbps[link] as number);
  }
  return least;
}
