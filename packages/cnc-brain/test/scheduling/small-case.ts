import { createPrng } from "@fmlab/sim";
import { fixedKeepAlive } from "../../src/keep-alive/fixed.ts";
import { networkOfRtt } from "../../src/network/network.ts";
import type { SmallCase } from "../../src/scheduling/exact-placement.ts";
import type { Scheduler } from "../../src/scheduling/scheduler.ts";
import { simulate } from "../../src/simulator/simulate.ts";
import { costOf } from "../../src/simulator/summary.ts";
import { traceOfRows } from "../../src/traces/invocation-trace.ts";
import { plainFunction, plainNode } from "../simulator/workloads.ts";

/** A random small case: heterogeneous nodes at two sites, cold starts, images. */
export function randomSmallCase(seed: number, requests: number, nodeCount: number): SmallCase {
  const prng = createPrng(seed, "small-case");
  const nodes = Array.from({ length: nodeCount }, (_, i) =>
    plainNode({ cores: 1 + prng.nextInt(2), site: i % 2, speed: prng.chance(0.5) ? 1 : 2 }, i),
  );
  const functions = [0, 1].map((i) =>
    plainFunction({
      name: `f-${i}`,
      coldStartMs: 50 + prng.nextInt(200),
      imageMb: 10 * prng.nextInt(3),
      sloMs: 300,
      meanDurationMs: 150,
    }),
  );
  const rows = Array.from({ length: requests }, () => ({
    functionIndex: prng.nextInt(2),
    arrivalMs: prng.nextInt(600),
    durationMs: 20 + prng.nextInt(300),
  }));
  const rttMs = [
    [2, 60],
    [60, 2],
  ];
  return {
    nodes,
    functions,
    trace: traceOfRows(rows),
    network: networkOfRtt({ siteNames: ["near", "far"], rttMs }),
  };
}

/** Sum of the project's cost when a scheduler places the case in the simulator. */
export function costUnder(small: SmallCase, scheduler: Scheduler): number {
  const keepAlive = fixedKeepAlive(1e9);
  const { responseMs, functionIndex } = simulate({ ...small, scheduler, keepAlive });
  return responseMs.reduce(
    (sum, ms, i) => sum + costOf(ms, small.functions[functionIndex[i] as number]?.sloMs ?? 1),
    0,
  );
}
