import { setMaxListeners } from "node:events";
import type { RunContext, Summary } from "@fmlab/experiment";
import { createPrng } from "@fmlab/sim";
import { type Timekeeper, timekeeper } from "../adapters/timekeeper.ts";
import type { TestbedConfig } from "../definitions/testbed.ts";
import { builtinMap } from "../network/builtin-map.ts";
import { networkOfTopology } from "../network/network.ts";
import { buildWorkload } from "../workload/build-workload.ts";
import { breathe, workloadSettings } from "../workload/run-settings.ts";
import { type Calibration, calibrate } from "./calibrate.ts";
import { TraceDriver } from "./drive.ts";
import { predict } from "./predict.ts";
import { TestbedNode } from "./testbed-node.ts";
import { busiestOf, planTestbed, type TestbedPlan, testbedNodes } from "./testbed-plan.ts";
import { type PolicyComparison, reportTestbed } from "./testbed-report.ts";

/**
 * Runs `cnc-brain.testbed`: the trace through real processes over real HTTP, and the simulator's
 * prediction of it. Measured: two runs differ.
 *
 * @throws ExperimentError `MISSING_FILE` | `FORBIDDEN_PATH` | `CANCELLED` | `BAD_CONFIG`
 * @throws AdapterError `PROCESS_FAILED`
 */
export async function run(ctx: RunContext, config: TestbedConfig): Promise<Summary> {
  // Every request under way listens to it.
  setMaxListeners(0, ctx.signal);
  const plan = await makePlan(ctx, config);
  const time = timekeeper(
    () => ctx.nowMs(),
    () => ctx.nowMs(),
  );
  const { count, arrivalMs } = plan.trace;
  const seconds = (arrivalMs[count - 1] ?? 0) / 1000;
  ctx.log(`${count} requests in ${seconds.toFixed(1)} s on ${plan.nodes.length} nodes`);
  const comparisons: PolicyComparison[] = [];
  let calibration: Calibration | undefined;
  for (const [i, policy] of config.schedulers.entries()) {
    const nodes = plan.nodes.map(() => new TestbedNode(time));
    try {
      for (const node of nodes) {
        await node.start(
          plan.functions.map(({ name }) => name),
          plan.keepMs,
        );
      }
      calibration ??= await calibrate(nodes, plan, config.calibrationRounds);
      await breathe(ctx);
      comparisons.push(await compare(ctx, plan, nodes, calibration, policy, time, i));
    } finally {
      await Promise.all(nodes.map((node) => node.stop()));
    }
    await breathe(ctx);
  }
  return reportTestbed(ctx, plan, calibration as Calibration, comparisons, config.speedUp);
}

async function compare(
  ctx: RunContext,
  plan: TestbedPlan,
  nodes: readonly TestbedNode[],
  calibration: Calibration,
  policy: string,
  time: Timekeeper,
  index: number,
): Promise<PolicyComparison> {
  const { count } = plan.trace;
  const total = count * (index + 1);
  const prng = () => createPrng(ctx.seed, "policy");
  const onProgress = (done: number) => ctx.progress(index * count + done, total, policy);
  const parts = { plan, nodes, policy, prng: prng(), time, signal: ctx.signal, onProgress };
  const measured = await new TraceDriver(parts).run();
  const predicted = predict(plan, calibration, policy, prng());
  return { policy, measured, predicted };
}

async function makePlan(ctx: RunContext, config: TestbedConfig): Promise<TestbedPlan> {
  const network = networkOfTopology(builtinMap());
  const nodes = testbedNodes(config.nodes, config.edgeSpeed, network);
  const settings = await workloadSettings(ctx, config);
  const siteCount = Math.min(config.nodes, network.siteNames.length);
  const prng = createPrng(ctx.seed, "testbed");
  const whole = buildWorkload(settings, { siteCount, load: 1 }, prng);
  const { busiest: functions, load, requestsMax } = config;
  const shortestMs = config.shortestMs * config.speedUp;
  const want = { functions, shortestMs, load, requestsMax };
  const workload = busiestOf(whole, nodes, want, prng.fork("load"));
  return planTestbed(workload, network, config);
}
