import { createPrng } from "@fmlab/sim";
import { fixedKeepAlive } from "../keep-alive/fixed.ts";
import { networkOfRtt } from "../network/network.ts";
import { exactPlacement, type SmallCase } from "../scheduling/exact-placement.ts";
import type { Scheduler } from "../scheduling/scheduler.ts";
import { simulate } from "../simulator/simulate.ts";
import { PLAIN_FUNCTION, PLAIN_NODE } from "../simulator/specs.ts";
import { costOf } from "../simulator/summary.ts";
import { traceOfRows } from "../traces/invocation-trace.ts";

/** Requests and nodes of a small case; its optimum is found in well under a second. */
const REQUESTS = 8;
const NODES = 3;
/** Containers live for ever, as the exact method assumes. */
const FOR_EVER_MS = 1e9;

/** A small case and the least it can cost. */
interface SolvedCase {
  small: SmallCase;
  optimum: number;
}

/** Solved once: who searches asks for the same ones again and again. */
const solved = new Map<string, SolvedCase>();

/**
 * Cost of a scheduler over the cost of the exact optimum, which knows all arrivals and durations;
 * summed over small random cases: three unequal nodes at two sites, two functions, eight requests.
 */
export function optimumGap(makeScheduler: () => Scheduler, cases: number, seed: number): number {
  let [cost, optimum] = [0, 0];
  for (let k = 0; k < cases; k++) {
    const { small, optimum: least } = solvedCase(seed, k);
    optimum += least;
    const scheduler = makeScheduler();
    const keepAlive = fixedKeepAlive(FOR_EVER_MS);
    const { responseMs, functionIndex } = simulate({ ...small, scheduler, keepAlive });
    responseMs.forEach((ms, id) => {
      cost += costOf(ms, small.functions[functionIndex[id] as number]?.sloMs ?? 1);
    });
  }
  return cost / optimum;
}

function solvedCase(seed: number, k: number): SolvedCase {
  const key = `${seed}/${k}`;
  const known = solved.get(key);
  if (known !== undefined) return known;
  const small = drawSmallCase(createPrng(seed, `small case ${k}`).nextUint32());
  const made = { small, optimum: exactPlacement(small).cost };
  solved.set(key, made);
  return made;
}

/** Three unequal nodes at two sites, two functions, eight requests, from a seed. */
export function drawSmallCase(seed: number): SmallCase {
  const prng = createPrng(seed, "small case");
  const nodes = Array.from({ length: NODES }, (_, i) => ({
    ...PLAIN_NODE,
    name: `node-${i}`,
    site: i % 2,
    cores: 1 + prng.nextInt(2),
    speed: prng.chance(0.5) ? 1 : 2,
  }));
  const functions = [0, 1].map((i) => ({
    ...PLAIN_FUNCTION,
    name: `f-${i}`,
    coldStartMs: 50 + prng.nextInt(200),
    sloMs: 950,
    meanDurationMs: 150,
  }));
  const rows = Array.from({ length: REQUESTS }, () => ({
    functionIndex: prng.nextInt(2),
    arrivalMs: prng.nextInt(600),
    durationMs: 150 * Math.exp(prng.normal(-0.18, 0.6)),
  }));
  const rttMs = [
    [2, 60],
    [60, 2],
  ];
  const network = networkOfRtt({ siteNames: ["near", "far"], rttMs });
  return { nodes, functions, trace: traceOfRows(rows), network };
}
