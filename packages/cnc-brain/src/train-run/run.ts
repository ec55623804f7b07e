import { ExperimentError, type RunContext, type Summary } from "@fmlab/experiment";
import { createPrng } from "@fmlab/sim";
import type { TrainConfig } from "../definitions/train.ts";
import { chooseBackEnd } from "../learn/backend.ts";
import { type GateVerdict, gateOf, judgeCells } from "../learn/gate.ts";
import { learnedScheduler } from "../learn/learned-scheduler.ts";
import { optimumGap } from "../learn/optimum-gap.ts";
import { type PolicyWeights, serialiseWeights } from "../learn/policy-weights.ts";
import { PPO_DEFAULTS } from "../learn/ppo.ts";
import { gridOf, type ScenarioSource, type Topology, type Window } from "../learn/scenario-sets.ts";
import { ServedPolicy } from "../learn/served-policy.ts";
import { type TrainedPolicy, type TrainingOptions, trainPolicy } from "../learn/train-policy.ts";
import { TrainingPool } from "../learn/training-pool.ts";
import { judgeGrid } from "../learn/verdict.ts";
import { breathe, workloadSettings } from "../workload/run-settings.ts";
import { type MeasuredGrid, measureGrid } from "./measure-grid.ts";
import { reportTraining, type TrainingFindings } from "./train-report.ts";

/** Of the index: a generation runs each scenario so often; there are as many as epochs, or 7. */
const POPULATION = 16;
const GENERATIONS_MAX = 7;
/** Small cases that are compared with their optimum. */
const SMALL_CASES = 60;

/**
 * Runs `cnc-brain.train`: trains policies from several seeds, lets a gate decide on the validation
 * part of the trace where each may act, and judges it on the test part. The same config and seed
 * give the same summary on the same back end, times aside.
 *
 * @throws ExperimentError `MISSING_FILE` | `FORBIDDEN_PATH` | `CANCELLED` | `BAD_CONFIG`
 */
export async function run(ctx: RunContext, config: TrainConfig): Promise<Summary> {
  await chooseBackEnd({ note: (key, value) => ctx.note(key, value) });
  const source = await sourceOf(ctx, config);
  const windows = windowsOf(config);
  const pool = new TrainingPool(config.threads);
  try {
    const trained: TrainedPolicy[] = [];
    for (let k = 0; k < config.trainings; k++) {
      const startMs = ctx.nowMs();
      trained.push(await trainOne(ctx, config, { pool, source, window: windows.train, k }));
      ctx.metric("trainingSeconds", (ctx.nowMs() - startMs) / 1000, { training: `seed-${k}` });
    }
    return await judge(ctx, config, { pool, source, windows, trained });
  } finally {
    await pool.close();
  }
}

async function trainOne(
  ctx: RunContext,
  config: TrainConfig,
  parts: { pool: TrainingPool; source: ScenarioSource; window: Window; k: number },
): Promise<TrainedPolicy> {
  const { k, ...rest } = parts;
  const trained = await trainPolicy({
    ...rest,
    options: optionsOf(config),
    prng: createPrng(ctx.seed, `training ${k}`),
    onProgress: async (done, total, what) => {
      ctx.progress(k * total + done, config.trainings * total, `training ${k}: ${what}`);
      await breathe(ctx);
    },
  });
  for (const { iteration, costRatio } of trained.curve) {
    ctx.metric("costRatio", costRatio, { training: `seed-${k}`, step: iteration });
  }
  return trained;
}

async function judge(
  ctx: RunContext,
  config: TrainConfig,
  parts: {
    pool: TrainingPool;
    source: ScenarioSource;
    windows: ReturnType<typeof windowsOf>;
    trained: TrainedPolicy[];
  },
): Promise<Summary> {
  const { pool, windows, trained } = parts;
  const source = { ...parts.source, requestsMax: config.testRequests };
  const policies = trained.map(({ weights }) => weights);
  const { loads, seeds } = config;
  const measure = async (part: "validate" | "test", nodeCount: number) => {
    const grid = { part, loads, seeds, nodeCount };
    const draw = createPrng(ctx.seed, part);
    const specs = gridOf(source, windows[part], grid, draw);
    ctx.log(`${part}: ${specs.length} scenarios of ${nodeCount} nodes`);
    return measureGrid(pool, specs, policies, { bound: part === "test" ? "timed" : "none" });
  };
  const validation = await measure("validate", config.testNodes);
  await breathe(ctx);
  const gates = validation.costs.map((costs) => judgeCells(costs));
  await storePolicies(ctx, policies, gates, validation.places);
  const tests = await measure("test", config.testNodes);
  await breathe(ctx);
  const large = config.largeNodes === 0 ? undefined : await measure("test", config.largeNodes);
  const findings: TrainingFindings = {
    trained,
    gates,
    verdicts: tests.costs.map((costs, k) => judgeGrid(costs, gates[k] ?? [])),
    largeVerdicts: large?.costs.map((costs, k) => judgeGrid(costs, gates[k] ?? [])) ?? [],
    optimumRatios: policies.map((weights) =>
      optimumGap(() => learnedScheduler(new ServedPolicy(weights)), SMALL_CASES, ctx.seed),
    ),
    notes: notesOf(config, windows),
  };
  return reportTraining(ctx, findings);
}

/** Each policy as an artifact, with the gate that says where it may act. */
async function storePolicies(
  ctx: RunContext,
  policies: readonly PolicyWeights[],
  gates: readonly GateVerdict[][],
  places: MeasuredGrid["places"],
): Promise<void> {
  for (const [k, weights] of policies.entries()) {
    const gate = gateOf(gates[k] ?? [], places);
    const bytes = new TextEncoder().encode(serialiseWeights({ ...weights, gate }));
    await ctx.artifact(`policy-${k}.json`, bytes, "application/json");
  }
}

function optionsOf(config: TrainConfig): TrainingOptions {
  const { learningRate, clip, entropy, horizonSeconds } = config;
  return {
    teacherScenarios: config.teacherScenarios,
    search: {
      population: POPULATION,
      generations: Math.min(GENERATIONS_MAX, config.imitationEpochs),
    },
    imitationEpochs: config.imitationEpochs,
    iterations: config.iterations,
    scenarios: config.scenarios,
    rollouts: config.rollouts,
    keep: config.keep,
    evaluateEvery: config.evaluateEvery,
    horizonMs: horizonSeconds * 1000,
    lambdaPerSecond: 0.8,
    // Costs to go are noisy: fast learners fit the noise.
    ppo: { ...PPO_DEFAULTS, imitationRate: 5e-4, learningRate, clip, entropy, minibatch: 256 },
  };
}

async function sourceOf(ctx: RunContext, config: TrainConfig): Promise<ScenarioSource> {
  const topologies: Topology[] = [];
  for (const name of config.topologies) {
    const none = { file: "", name: "", fixedRttMs: config.fixedRttMs };
    if (name === "built-in" || name === "fixed") {
      topologies.push({ name, network: { ...none, source: name } });
    } else if (name === "zoo") {
      const file = await fileOf(ctx, "zooFile", config.zooFile);
      const network = { ...none, source: "topology" as const, file, name: config.zooName };
      topologies.push({ name: config.zooName, network });
    } else {
      const file = await fileOf(ctx, "rttFile", config.rttFile);
      topologies.push({ name, network: { ...none, source: name, file } });
    }
  }
  const workload = await workloadSettings(ctx, config, { dataShare: 0.2 });
  return { topologies, workload, requestsMax: config.trainRequests };
}

async function fileOf(ctx: RunContext, field: string, path: string): Promise<string> {
  if (path !== "") return await ctx.resolveFile(path);
  const message = "needed for this topology; give a path in the data folder";
  throw new ExperimentError(`${field}: ${message}`, {
    code: "BAD_CONFIG",
    kind: ctx.kind,
    problems: [{ path: field, message }],
  });
}

function windowsOf({ traceMinutes, trainShare, validateShare, fromMinute }: TrainConfig) {
  const at = (share: number) => fromMinute + Math.round(share * traceMinutes);
  const window = (from: number, to: number): Window => ({ fromMinute: at(from), toMinute: at(to) });
  const middle = Math.min(0.99, trainShare + validateShare);
  return {
    train: window(0, trainShare),
    validate: window(trainShare, middle),
    test: window(middle, 1),
  };
}

function notesOf(config: TrainConfig, windows: ReturnType<typeof windowsOf>): string[] {
  const tell = ({ fromMinute, toMinute }: Window) => `minutes ${fromMinute} to ${toMinute}`;
  const split =
    config.source === "generated"
      ? "generated requests: training, validation and test draw functions from different seeds"
      : `trace time: training ${tell(windows.train)}, gate ${tell(windows.validate)}, test ` +
        `${tell(windows.test)}; functions' durations, homes and sizes differ too`;
  return [
    split,
    "cost: mean of min(response / SLO, 10), and 1 more for a miss; SLO: 3 mean durations + 500 ms",
    "training: 4 to 32 nodes, loads 0.4 to 0.95, every network; one policy for all",
    "learning: the index by cross-entropy search, its correction from lookahead, then masked PPO",
  ];
}
