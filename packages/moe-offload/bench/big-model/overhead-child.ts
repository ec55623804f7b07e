/**
 * A process of its own that decodes with experts on disk and splits each token's time: inside
 * native calls, in the scheduler (with policy, predictor and lane), waiting for experts, and the
 * rest, which is the engine's own JavaScript.
 */
import { GgmlLibrary, openGguf } from "@fmlab/ggml";
import { STRATEGIES, type StrategyName } from "../../src/offload/strategies.ts";
import { type ProfileShares, profiled, profileShares } from "./cpu-profile.ts";
import { calibrationOf, expertBytesOf, layoutOf, openFromDisk } from "./open-models.ts";
import { type Kind, Stopwatch, ThreadClock } from "./stopwatch.ts";

/** What to run. */
export interface OverheadJob {
  readonly modelPath: string;
  readonly strategy: StrategyName;
  /** Share of all experts in memory. */
  readonly share: number;
  readonly warmUp: readonly number[];
  readonly tokens: readonly number[];
  readonly calibrationTokens: number;
  /** With the profiler in place of the stopwatch. */
  readonly isProfiled: boolean;
}

/** Processor time of the computing thread for one token, microseconds, means over timed tokens. */
export interface Overhead {
  readonly tokenUs: number;
  /** By the wall clock, sleeping and what others take included. */
  readonly elapsedUs: number;
  readonly us: Record<Kind, number>;
  readonly engineUs: number;
  readonly clockUs: number;
  /** Cost of a call of a native function that does nothing, and calls a token. */
  readonly foreignCallUs: number;
  readonly nativeCalls: number;
  readonly hitRate: number;
  /** Milliseconds by place, if the run was profiled. */
  readonly profile?: ProfileShares;
}

function run(job: OverheadJob): Overhead {
  const file = openGguf(job.modelPath);
  const layout = layoutOf(file);
  const contextLength = job.warmUp.length + job.tokens.length;
  const learned = calibrationOf(file, layout, {
    tokens: job.calibrationTokens,
    threads: 1,
    contextLength,
  });
  const model = openFromDisk(
    file,
    layout,
    {
      strategy: STRATEGIES[job.strategy],
      budgetBytes: Math.floor(expertBytesOf(layout) * job.share),
      threads: 1,
      queueDepth: 4,
      contextLength,
    },
    learned.calibration,
  );
  file.close();
  const { engine, lane, scheduler } = model;
  const clock = new ThreadClock();
  const stopwatch = new Stopwatch(clock);
  const { native } = GgmlLibrary.load();
  const foreignCallUs = costOfForeignCall(clock);
  if (!job.isProfiled) {
    for (const name of Object.keys(native) as (keyof typeof native)[]) {
      stopwatch.wrap(native, name, "native");
    }
    for (const name of ["request", "isReady", "waitFor", "release"] as const) {
      stopwatch.wrap(scheduler, name, "scheduler");
    }
    if (lane) stopwatch.wrap(lane, "waitFor", "waiting");
  }
  for (const token of job.warmUp) engine.decode(token);
  const before = { ...scheduler.counts };
  stopwatch.reset();
  const startMs = clock.nowMs();
  const wallMs = performance.now();
  const decodeAll = () => {
    for (const token of job.tokens) engine.decode(token);
  };
  const profile = job.isProfiled ? profileShares(profiled(decodeAll)) : decodeAll();
  const elapsedMs = performance.now() - wallMs;
  const totalMs = clock.nowMs() - startMs;
  const { calls, clockMs, ms } = stopwatch.read();
  const { hits, uses } = scheduler.counts;
  model.close();
  const each = (total: number) => (total * 1e3) / job.tokens.length;
  const engineMs = totalMs - clockMs - ms.native - ms.scheduler - ms.waiting;
  const nativeCalls = calls.native / job.tokens.length;
  return {
    tokenUs: each(totalMs - clockMs),
    elapsedUs: each(elapsedMs),
    us: {
      native: each(ms.native) - nativeCalls * foreignCallUs,
      scheduler: each(ms.scheduler),
      waiting: each(ms.waiting),
    },
    engineUs: each(engineMs),
    clockUs: each(clockMs),
    foreignCallUs,
    nativeCalls,
    hitRate: (hits - before.hits) / (uses - before.uses),
    ...(profile && { profile }),
  };
}

/** Microseconds of a foreign call that does next to nothing, the loop's own time taken off. */
function costOfForeignCall(clock: ThreadClock): number {
  const { native } = GgmlLibrary.load();
  const count = 100_000;
  let sum = 0;
  const time = (call: (i: number) => number) => {
    const startMs = clock.nowMs();
    for (let i = 0; i < count; i++) sum += call(i);
    return clock.nowMs() - startMs;
  };
  const costs = [0, 1, 2].map(() => time((i) => native.ggml_blck_size(i & 1)) - time((i) => i & 1));
  return sum > 0 ? (Math.max(0, ...costs) * 1e3) / count : 0;
}

const job = JSON.parse(process.argv[2] ?? "{}") as OverheadJob;
process.stdout.write(`${JSON.stringify(run(job))}\n`);
