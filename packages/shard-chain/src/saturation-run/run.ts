import { ExperimentError, type RunContext, type Summary } from "@fmlab/experiment";
import type { SaturationConfig } from "../definitions/saturation.ts";
import { findSaturation, type Saturation } from "../measurement/saturation.ts";
import { failIfUnsound, numbersOf } from "../throughput-run/report.ts";
import { breathe, runOnce } from "../throughput-run/run.ts";
import {
  abortScatter,
  crossShareSeries,
  latencyScatter,
  loadScatter,
  pointTable,
  shardSeries,
} from "./pictures.ts";

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
interface Setting extends Pick<ProtocolSaturation, "protocol" | "shards" | "crossShare"> {
  readonly offeredTps: number;
}

/** What the search found for one protocol on so many shards. */
export interface ProtocolSaturation {
  readonly protocol: SaturationConfig["protocols"][number];
  readonly shards: number;
  /** Share of transactions over several shards that was asked for; undefined: as it came. */
  readonly crossShare: number | undefined;
  readonly loads: readonly MeasuredLoad[];
  readonly saturation: Saturation;
}

/**
 * Runs `shard-chain.saturation`: for each protocol, loads that double while they are sustained,
 * then a bisection. Each load is a deployment of its own, with every oracle on.
 *
 * @throws ExperimentError `MISSING_FILE` | `FORBIDDEN_PATH` | `CANCELLED` | `BAD_CONFIG` for
 *         cross-shard shares of what is not generated
 * @throws ShardChainError `ORACLE_FAILED` when a protocol broke what it promises
 */
export async function run(ctx: RunContext, config: SaturationConfig): Promise<Summary> {
  checkCrossShares(ctx, config);
  const found: ProtocolSaturation[] = [];
  const settings = settingsOf(config);
  const total = settings.length;
  for (const setting of settings) {
    const { protocol, shards, crossShare } = setting;
    ctx.progress(found.length, total, `${protocol}, ${shards} shards`);
    const one = await saturate(ctx, config, setting);
    found.push(one);
    const share = crossShare === undefined ? {} : { crossShare: String(crossShare) };
    tell(ctx, one, { protocol, shards: String(shards), ...share });
  }
  ctx.progress(total, total);
  ctx.series("byShards", shardSeries(found));
  ctx.series("byCrossShare", crossShareSeries(found));
  ctx.series("loads", loadScatter(found));
  ctx.series("latency", latencyScatter(found));
  ctx.series("aborts", abortScatter(found));
  ctx.series("points", pointTable(found));
  const best = found.reduce((most, one) =>
    one.saturation.sustainedTps > most.saturation.sustainedTps ? one : most,
  );
  const numbers = tell(ctx, best, {});
  return {
    ...numbers,
    found: found.map(({ protocol, shards, crossShare, saturation }) => {
      const { sustainedTps, peakGoodputTps } = saturation;
      const share = crossShare === undefined ? {} : { crossShare };
      return { protocol, shards, ...share, sustainedTps, peakGoodputTps };
    }),
  };
}

/** Everything that is compared: the numbers of shards, the shares, the protocols. */
function settingsOf({ shardCounts, crossShares, protocols }: SaturationConfig) {
  const shares = crossShares.length === 0 ? [undefined] : crossShares;
  return shardCounts.flatMap((shards) =>
    shares.flatMap((crossShare) => protocols.map((protocol) => ({ protocol, shards, crossShare }))),
  );
}

function checkCrossShares(
  { kind }: RunContext,
  { crossShares, workload, dataset }: SaturationConfig,
): void {
  if (crossShares.length === 0 || (workload === "generated" && dataset === "")) return;
  const message = "only generated transactions can be given a cross-shard share; leave it empty";
  throw new ExperimentError(`crossShares: ${message}`, {
    code: "BAD_CONFIG",
    kind,
    problems: [{ path: "crossShares", message }],
  });
}

async function saturate(
  ctx: RunContext,
  config: SaturationConfig,
  setting: Omit<Setting, "offeredTps">,
): Promise<ProtocolSaturation> {
  const { protocol, shards } = setting;
  const loads: MeasuredLoad[] = [];
  const saturation = await findSaturation(async (offeredTps) => {
    ctx.log(`${protocol}, ${shards} shards: ${offeredTps.toFixed(0)} transactions a second`);
    const load = await measure(ctx, config, { ...setting, offeredTps });
    loads.push(load);
    return load;
  }, config);
  return { ...setting, loads, saturation };
}

async function measure(
  ctx: RunContext,
  { protocols: _, shardCounts: __, crossShares: ___, seconds, ...rest }: SaturationConfig,
  { protocol, shards, crossShare, offeredTps }: Setting,
): Promise<MeasuredLoad> {
  const transactions = Math.max(TRANSACTIONS_MIN, Math.round(offeredTps * seconds));
  const outcome = await runOnce(
    ctx,
    {
      ...rest,
      generator: {
        ...rest.generator,
        ...(crossShare !== undefined && { crossShardShare: crossShare }),
      },
      protocol,
      versus: "none",
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
  axes: { protocol?: string; shards?: string; crossShare?: string },
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
