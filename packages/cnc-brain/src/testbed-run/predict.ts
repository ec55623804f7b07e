import type { Prng } from "@fmlab/sim";
import { createKeepAlive } from "../keep-alive/registry.ts";
import { createScheduler } from "../scheduling/registry.ts";
import type { SimulationResult } from "../simulator/result.ts";
import { simulate } from "../simulator/simulate.ts";
import type { Calibration } from "./calibrate.ts";
import type { TestbedPlan } from "./testbed-plan.ts";

/**
 * What the simulator says of the same trace, cluster and policy. Of the machine it knows the
 * calibration: the start of a process, the overhead of a request, which holds the node's core as
 * work does, and the stretch of work.
 */
export function predict(
  plan: TestbedPlan,
  { coldStartMs, overheadMs, stretch }: Calibration,
  policy: string,
  prng: Prng,
): SimulationResult {
  const { nodes, functions, network, trace, keepMs } = plan;
  return simulate({
    nodes,
    network,
    functions: functions.map((fn) => ({ ...fn, coldStartMs })),
    trace: {
      ...trace,
      // Overhead does not go with a node's speed: it is added as if every node had the first's.
      durationMs: trace.durationMs.map((ms) => ms * stretch + overheadMs),
    },
    scheduler: createScheduler(policy, prng),
    keepAlive: createKeepAlive("fixed", { keepMs }),
  });
}
