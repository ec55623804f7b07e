import { expectedResponse, totalOf } from "../scheduling/expected-response.ts";
import type { ClusterView } from "../simulator/cluster-view.ts";
import { transferMs } from "../simulator/cluster-view.ts";
import type { RunningJob } from "../simulator/migrator.ts";

/** Requests of one function from one site. */
export interface SiteDemand {
  functionIndex: number;
  site: number;
  ratePerSecond: number;
}

/** A replica to start elsewhere before the one it replaces ends. */
export interface Move {
  functionIndex: number;
  from: number;
  to: number;
  /** What the function's requests win over the horizon, milliseconds of response in all. */
  gainMs: number;
  /** Start, image and work that is done twice, milliseconds. */
  costMs: number;
}

/** How far a migration looks. */
export interface MigrationOptions {
  /** How long the demand is expected to last. */
  horizonMs: number;
  /** At most so many moves at a time: each disturbs the cluster. */
  movesMax: number;
  allows: (functionIndex: number, node: number) => boolean;
  /** Warm containers of a function, those included that a lost node had; usually the view's. */
  warmAt?: (node: number, functionIndex: number) => number;
}

/**
 * Plans which warm replicas should be elsewhere after a shift: from nodes that are down, and from
 * where the demand is answered later than it could be. A move is made only if what it wins over the
 * horizon exceeds what it costs; the best come first, and each counts for those after it.
 */
export function planMigration(
  view: ClusterView,
  demand: readonly SiteDemand[],
  { horizonMs, movesMax, allows, warmAt }: MigrationOptions,
): Move[] {
  const moves: Move[] = [];
  const taken = new Float64Array(view.nodeCount);
  for (let functionIndex = 0; functionIndex < view.functionCount; functionIndex++) {
    const wanted = demand.filter((one) => one.functionIndex === functionIndex);
    if (wanted.length === 0) continue;
    for (let from = 0; from < view.nodeCount; from++) {
      const warm = warmAt?.(from, functionIndex) ?? view.warmCount(from, functionIndex);
      // One that has moved since, or works now, is not there to be moved.
      if (warm === 0 || (view.up[from] !== 0 && view.warmCount(from, functionIndex) === 0))
        continue;
      const best = bestMove(view, functionIndex, from, wanted, { horizonMs, allows, taken });
      if (best === undefined) continue;
      taken[best.to] = (taken[best.to] as number) + view.fn(functionIndex).memoryMb;
      moves.push(best);
    }
  }
  moves.sort((a, b) => b.gainMs - b.costMs - (a.gainMs - a.costMs) || a.from - b.from);
  return moves.slice(0, movesMax);
}

function bestMove(
  view: ClusterView,
  functionIndex: number,
  from: number,
  wanted: readonly SiteDemand[],
  limits: Pick<MigrationOptions, "horizonMs" | "allows"> & { taken: Float64Array },
): Move | undefined {
  const fn = view.fn(functionIndex);
  const requests = wanted.map((one) => (one.ratePerSecond * limits.horizonMs) / 1000);
  let best: Move | undefined;
  for (let to = 0; to < view.nodeCount; to++) {
    const spec = view.node(to);
    const usedMb = (view.memoryUsedMb[to] as number) + (limits.taken[to] as number);
    const isOpen = view.up[to] !== 0 && limits.allows(functionIndex, to);
    const isThere = to === from || view.warmCount(to, functionIndex) > 0;
    if (!isOpen || isThere || usedMb + fn.memoryMb > spec.memoryMb) continue;
    const imageMs = view.imageAt(to, functionIndex) ? 0 : transferMs(fn.imageMb, spec.pullMbps);
    const costMs = fn.coldStartMs + imageMs + fn.checkpointMs;
    const gainMs = wanted.reduce((sum, { site }, i) => {
      const gap = answerMs(view, functionIndex, site, from) - warmMs(view, functionIndex, site, to);
      return sum + gap * (requests[i] as number);
    }, 0);
    const net = gainMs - costMs;
    if (net > 0 && (best === undefined || net > best.gainMs - best.costMs)) {
      best = { functionIndex, from, to, gainMs, costMs };
    }
  }
  return best;
}

/** Expected answer from a node as it is; from one that is down, a function's whole target. */
function answerMs(view: ClusterView, functionIndex: number, site: number, node: number): number {
  if (view.up[node] === 0) return view.fn(functionIndex).sloMs * 10;
  return totalOf(expectedResponse(view, functionIndex, site, node));
}

/** The same once a replica stands ready there. */
function warmMs(view: ClusterView, functionIndex: number, site: number, node: number): number {
  return totalOf({ ...expectedResponse(view, functionIndex, site, node), start: 0 });
}

/** A long job to go on elsewhere. */
export interface JobMove {
  id: number;
  from: number;
  to: number;
  /** Time until its end that it wins, moving included, ms. */
  gainMs: number;
  /** Image, state and start, ms. */
  costMs: number;
}

/** What is left of a job is known from its mean only, and taken to be at least so much of it. */
const LEAST_LEFT_SHARE = 0.25;

/**
 * Plans which long jobs go on elsewhere: those that would end sooner there by more than moving
 * takes. The best come first; cores and memory they take count for those after them.
 */
export function planJobMoves(
  view: ClusterView,
  jobs: readonly RunningJob[],
  { movesMax, allows }: Pick<MigrationOptions, "movesMax" | "allows">,
): JobMove[] {
  const coresTaken = new Float64Array(view.nodeCount);
  const memoryTakenMb = new Float64Array(view.nodeCount);
  const moves = jobs.flatMap((job): JobMove[] => {
    const fn = view.fn(job.functionIndex);
    let best: JobMove | undefined;
    for (let to = 0; to < view.nodeCount; to++) {
      const spec = view.node(to);
      const hasCores =
        (view.coresRequested[to] as number) + (coresTaken[to] as number) + fn.cores <= spec.cores;
      const usedMb = (view.memoryUsedMb[to] as number) + (memoryTakenMb[to] as number);
      const isOpen = view.up[to] !== 0 && to !== job.node && allows(job.functionIndex, to);
      if (!isOpen || !hasCores || usedMb + fn.memoryMb > spec.memoryMb) continue;
      if (!view.fits(to, job.functionIndex)) continue;
      const move = weighJobMove(view, job, to);
      if (move.gainMs > move.costMs && move.gainMs > (best?.gainMs ?? 0)) best = move;
    }
    if (best === undefined) return [];
    coresTaken[best.to] = (coresTaken[best.to] as number) + fn.cores;
    memoryTakenMb[best.to] = (memoryTakenMb[best.to] as number) + fn.memoryMb;
    return [best];
  });
  moves.sort((a, b) => b.gainMs - a.gainMs || a.id - b.id);
  return moves.slice(0, movesMax);
}

function weighJobMove(view: ClusterView, job: RunningJob, to: number): JobMove {
  const { functionIndex, node: from, id } = job;
  const fn = view.fn(functionIndex);
  const speedAt = (node: number) =>
    fn.accelerators > 0 ? view.node(node).acceleratorSpeed : view.node(node).speed;
  const doneMs = (view.nowMs - job.executeMs) * speedAt(from);
  const leftMs = Math.max(fn.meanDurationMs - doneMs, LEAST_LEFT_SHARE * fn.meanDurationMs);
  const imageMs = view.imageAt(to, functionIndex)
    ? 0
    : transferMs(fn.imageMb, view.node(to).pullMbps);
  const costMs = imageMs + transferMs(fn.memoryMb, linkMbps(view, from, to)) + fn.coldStartMs;
  const gainMs = leftMs / speedAt(from) - leftMs / speedAt(to) - costMs;
  return { id, from, to, gainMs, costMs };
}

/** The tightest link between two nodes, as if nobody else used it. */
function linkMbps(view: ClusterView, from: number, to: number): number {
  const [source, target] = [view.node(from), view.node(to)];
  const path = view.network.path(source.site, target.site);
  return path.reduce(
    (least, link) => Math.min(least, view.network.capacityMbps[link] as number),
    Math.min(source.accessMbps, target.accessMbps),
  );
}
