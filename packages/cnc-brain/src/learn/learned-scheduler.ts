import {
  type Decision,
  type PlacementRequest,
  QUEUE,
  type Scheduler,
} from "../scheduling/scheduler.ts";
import type { ClusterView } from "../simulator/cluster-view.ts";
import { DecisionFrame, emptyRound, type RoundState } from "./decision-frame.ts";
import type { PolicyGate } from "./gate.ts";
import { GatedScheduler } from "./gated-scheduler.ts";
import { InFlight } from "./in-flight.ts";
import { HEURISTIC_INDEX, type PlacementIndex } from "./placement-index.ts";

/** Chooses for one encoded decision: a node with room, or `QUEUE` where the mask allows it. */
export interface Chooser {
  readonly name: string;
  /** What the frames' prior is made of; undefined: the heuristic's. */
  readonly index?: PlacementIndex;
  /** Where it may act; undefined: everywhere. */
  readonly gate?: PolicyGate | undefined;
  /** Reads mask and prior only; the rest need not be encoded. */
  readonly isPlain?: boolean;
  choose(frame: DecisionFrame, request: PlacementRequest): number;
}

/** The likeliest choice by an index alone; ties go to the lowest node. */
export function indexChooser(index: PlacementIndex, name = "index"): Chooser {
  return {
    name,
    index,
    isPlain: true,
    choose: ({ fits, fitCount, prior, mask, nodeCount }) => {
      let best = QUEUE;
      let highest = mask[nodeCount] === 1 ? (prior[nodeCount] as number) : -Infinity;
      for (let i = 0; i < fitCount; i++) {
        const node = fits[i] as number;
        if ((prior[node] as number) <= highest) continue;
        highest = prior[node] as number;
        best = node;
      }
      return best;
    },
  };
}

/** The node with the least expected response; waits only when no node has room. */
export const heuristicChooser: Chooser = indexChooser(HEURISTIC_INDEX, "least-response");

/** Requests that are alike to the policy: same function, same site. */
interface Group {
  requests: { request: PlacementRequest; at: number }[];
  bestMs: number;
}

/** What a scheduler remembers between rounds. */
export class RoundMemory {
  readonly held = new Map<number, Hold>();
  readonly inFlight = new InFlight();

  /** Becomes the same as another's; nothing, without one. */
  copyFrom(other: RoundMemory = new RoundMemory()): void {
    this.held.clear();
    for (const [kind, hold] of other.held) this.held.set(kind, hold);
    this.inFlight.copyFrom(other.inFlight);
  }
}

/** A function that was let wait although there was room. */
interface Hold {
  untilMs: number;
  freeCores: number;
}

/** A scheduler of whole rounds. */
export interface RoundScheduler extends Scheduler {
  readonly roundMs: number;
  readonly memory: RoundMemory;
  placeBatch(requests: readonly PlacementRequest[], view: ClusterView): Decision[];
}

/**
 * A chooser as a scheduler. Requests are gathered for `roundMs` and placed one after another, the
 * one whose answer could come first before the others: min-cost flow's order, taken greedily.
 * With a chooser that knows nothing this is that heuristic. A chooser with a gate acts behind it.
 */
export function learnedScheduler(chooser: Chooser, roundMs = 1): RoundScheduler {
  const memory = new RoundMemory();
  let frame: DecisionFrame | undefined;
  const frameOf = (view: ClusterView) => {
    if (frame?.view === view) return frame;
    if (frame !== undefined) memory.copyFrom();
    frame = new DecisionFrame(view, chooser.index, memory.inFlight);
    return frame;
  };
  const placeBatch = (requests: readonly PlacementRequest[], view: ClusterView): Decision[] =>
    placeRound(chooser, frameOf(view), requests, memory.held);
  const scheduler: RoundScheduler = {
    name: chooser.name,
    roundMs,
    memory,
    placeBatch,
    place: (request, view) => placeBatch([request], view)[0] ?? QUEUE,
  };
  return chooser.gate === undefined ? scheduler : new GatedScheduler(scheduler, chooser.gate);
}

/** A held function is asked for again after so long, or once more cores are free than were. */
const HOLD_MS = 25;

function placeRound(
  chooser: Chooser,
  frame: DecisionFrame,
  requests: readonly PlacementRequest[],
  held: Map<number, Hold>,
): Decision[] {
  const { view } = frame;
  const round = emptyRound(view.nodeCount, requests.length);
  const decisions: Decision[] = new Array(requests.length).fill(QUEUE);
  const freeCores = freeCoresOf(view);
  if (freeCores <= 0) return decisions;
  const isHeld = (kind: number) => {
    const hold = held.get(kind);
    return hold !== undefined && view.nowMs < hold.untilMs && freeCores <= hold.freeCores;
  };
  const asked = requests.map((request, at) => ({ request, at }));
  const free = held.size === 0 ? asked : asked.filter((one) => !isHeld(one.request.functionIndex));
  const refused = new Set<number>();
  for (const { requests: members } of inOrder(frame, free, round)) {
    for (const { request, at } of members) {
      const kind = request.functionIndex;
      if (refused.has(kind)) break;
      if (chooser.isPlain) frame.encodePrior(request, round);
      else frame.encode(request, round);
      // Where nothing has room there is nothing to decide, for the whole group.
      if (frame.fitCount === 0) break;
      const node = chooser.choose(frame, request);
      if (node === QUEUE) {
        held.set(kind, { untilMs: view.nowMs + HOLD_MS, freeCores });
        if (frame.waitsForContainer) {
          // The next of the function has to do with the next container.
          round.claims.set(kind, (round.claims.get(kind) ?? 0) + 1);
          continue;
        }
        refused.add(kind);
        break;
      }
      decisions[at] = node;
      frame.onPlaced(request, node);
      held.delete(kind);
      const { cores, memoryMb, accelerators } = view.fn(kind);
      round.acceleratorsTaken[node] = (round.acceleratorsTaken[node] as number) + accelerators;
      round.coresTaken[node] = (round.coresTaken[node] as number) + cores;
      round.memoryTakenMb[node] = (round.memoryTakenMb[node] as number) + memoryMb;
      round.waiting--;
    }
  }
  return decisions;
}

function freeCoresOf(view: ClusterView): number {
  let free = 0;
  for (let node = 0; node < view.nodeCount; node++) {
    if (view.up[node] === 0) continue;
    free += Math.max(0, view.node(node).cores - (view.coresRequested[node] as number));
  }
  return free;
}

/** Groups by the response that their best node would give now, the shortest first. */
function inOrder(frame: DecisionFrame, requests: Group["requests"], round: RoundState): Group[] {
  const groups = new Map<number, Group>();
  for (const { request, at } of requests) {
    const key = request.functionIndex * 65_536 + request.site;
    const group = groups.get(key);
    if (group === undefined) {
      frame.rank(request, round);
      groups.set(key, { requests: [{ request, at }], bestMs: frame.bestMs });
    } else {
      group.requests.push({ request, at });
    }
  }
  return [...groups.values()]
    .filter(({ bestMs }) => bestMs < Number.POSITIVE_INFINITY)
    .sort((a, b) => a.bestMs - b.bestMs);
}
