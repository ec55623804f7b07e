import type { RunContext, Summary } from "@fmlab/experiment";
import type { SaturationConfig } from "../definitions/saturation.ts";
import { findSaturation, type Saturation } from "../measurement/saturation.ts";
import { failIfUnsound, numbersOf } from "../throughput-run/report.ts";
import { breathe, runOnce } from "../throughput-run/run.ts";
import { abortSeries, latencyScatter, loadScatter, pointTable, shardSeries } from "./pictures.ts";

/** Of each load, so that chance does not decide over a small one; small loads last longer. */
const TRANSACTIONS_MIN = 300;

/** One protocol under one load. */
export interface MeasuredLoad {
  readonly offeredTps: number;
  readonly goodputTps: number;
  readonly latencyMsP50: number | undefined;
  readonly latencyMsP99: number | undefined;
  /** Percent. */
  readonly abortRatio: number;
  readonly crossShardRatio: number;
}

/** What is measured. */
interface Setting {
  readonly protocol: ProtocolSaturation["protocol"];
  readonly shards: number;
  readonly offeredTps: number;
}

/** What the search found for one protocol on so many shards. */
export interface ProtocolSaturation {
  readonly protocol: SaturationConfig["protocols"][number];
  readonly shards: number;
  readonly loads: readonly MeasuredLoad[];
  readonly saturation: Saturation;
}

/**
 * Runs `shard-chain.saturation`: for each protocol, loads that double while they are sustained,
 * then a bisection. Each load is a deployment of its own, with every oracle on.
 *
 * @throws ExperimentError `MISSING_FILE` | `FORBIDDEN_PATH` | `CANCELLED`
 * @throws ShardChainError `ORACLE_FAILED` when a protocol broke what it promises
 */
export async function run(ctx: RunContext, config: SaturationConfig): Promise<Summary> {
  const found: ProtocolSaturation[] = [];
  const total = config.protocols.length * config.shardCounts.length;
  for (const shards of config.shardCounts) {
    for (const protocol of config.protocols) {
      ctx.progress(found.length, total, `${protocol}, ${shards} shards`);
      const one = await saturate(ctx, config, protocol, shards);
      found.push(one);
      tell(ctx, one, { protocol, shards: String(shards) });
    }
  }
  ctx.progress(total, total);
  ctx.series("byShards", shardSeries(found));
  ctx.series("loads", loadScatter(found));
  ctx.series("latency", latencyScatter(found));
  ctx.series("aborts", abortSeries(found));
  ctx.series("points", pointTable(found));
  const best = found.reduce((most, one) =>
    one.saturation.sustainedTps > most.saturation.sustainedTps ? one : most,
  );
  const numbers = tell(ctx, best, {});
  return {
    ...numbers,
    found: found.map(({ protocol, shards, saturation }) => {
      const { sustainedTps, peakGoodputTps } = saturation;
      return { protocol, shards, sustainedTps, peakGoodputTps };
    }),
  };
}

async function saturate(
  ctx: RunContext,
  config: SaturationConfig,
  protocol: ProtocolSaturation["protocol"],
  shards: number,
): Promise<ProtocolSaturation> {
  const loads: MeasuredLoad[] = [];
  const saturation = await findSaturation(async (offeredTps) => {
    ctx.log(`${protocol}, ${shards} shards: ${offeredTps.toFixed(0)} transactions a second`);
    const load = await measure(ctx, config, { protocol, shards, offeredTps });
    loads.push(load);
    return load;
  }, config);
  return { protocol, shards, loads, saturation };
}

async function measure(
  ctx: RunContext,
  { protocols: _, shardCounts: __, seconds, ...rest }: SaturationConfig,
  { protocol, shards, offeredTps }: Setting,
): Promise<MeasuredLoad> {
  const transactions = Math.max(TRANSACTIONS_MIN, Math.round(offeredTps * seconds));
  const outcome = await runOnce(
    ctx,
    {
      ...rest,
      protocol,
      shards,
      transactions,
      tps: offeredTps,
      arrivals: "poisson",
      replaySpeed: 1,
      replayMax: 0,
      // What counts happens before the last arrival; what comes after need not be waited for.
      drainSeconds: 1,
    },
    () => breathe(ctx),
  );
  failIfUnsound(outcome);
  const { summary } = outcome;
  const numbers = numbersOf(outcome);
  return {
    offeredTps,
    goodputTps: summary.goodputTps,
    latencyMsP50: numbers.latencyMsP50,
    latencyMsP99: numbers.latencyMsP99,
    abortRatio: 100 * summary.abortRatio,
    crossShardRatio: 100 * summary.crossShardRatio,
  };
}

function tell(
  ctx: Pick<RunContext, "metric">,
  { loads, saturation }: ProtocolSaturation,
  axes: { protocol?: string; shards?: string },
): Record<string, number> {
  const at = loads.find(({ offeredTps }) => offeredTps === saturation.sustainedTps);
  const numbers: Record<string, number> = {
    sustainedTps: saturation.sustainedTps,
    peakGoodputTps: saturation.peakGoodputTps,
    ...(at?.latencyMsP50 !== undefined && { latencyMsP50: at.latencyMsP50 }),
    ...(at?.latencyMsP99 !== undefined && { latencyMsP99: at.latencyMsP99 }),
    ...(at !== undefined && { abortRatio: at.abortRatio }),
  };
  for (const [name, value] of Object.entries(numbers)) ctx.metric(name, value, axes);
  return numbers;
}
