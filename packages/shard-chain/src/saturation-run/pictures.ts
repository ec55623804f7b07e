import type { SeriesInput } from "@fmlab/experiment";
import type { ProtocolSaturation } from "./run.ts";

/** Sustained load by number of shards. */
export function shardSeries(found: readonly ProtocolSaturation[]): SeriesInput {
  const x = [...new Set(found.map(({ shards }) => shards))].sort((one, other) => one - other);
  const protocols = [...new Set(found.map(({ protocol }) => protocol))];
  return {
    kind: "line",
    xLabel: "shards",
    yLabel: "sustained load",
    yUnit: "tx/s",
    x,
    curves: protocols.map((protocol) => ({
      name: protocol,
      y: x.map(
        (shards) =>
          found.find((one) => one.protocol === protocol && one.shards === shards)?.saturation
            .sustainedTps ?? null,
      ),
    })),
  };
}

/** What a group of points is about; shards only where there are several numbers of them. */
function nameOf(found: readonly ProtocolSaturation[], one: ProtocolSaturation): string {
  const isSweep = found.some(({ shards }) => shards !== one.shards);
  return isSweep ? `${one.protocol}, ${one.shards} shards` : one.protocol;
}

/** Pictures hold so many groups at most; of more, the last are in the table only. */
const GROUPS_MAX = 24;

/** Offered load against goodput, a group a protocol and number of shards. */
export function loadScatter(found: readonly ProtocolSaturation[]): SeriesInput {
  return {
    kind: "scatter",
    x: { label: "offered", unit: "tx/s" },
    y: { label: "goodput", unit: "tx/s", better: "higher" },
    groups: found.slice(0, GROUPS_MAX).map((one) => ({
      name: nameOf(found, one),
      points: one.loads.map(({ offeredTps, goodputTps }) => ({
        x: offeredTps,
        y: goodputTps,
        label: `${one.protocol} at ${offeredTps.toFixed(0)} tx/s`,
      })),
    })),
  };
}

/** Goodput against median and tail latency. */
export function latencyScatter(found: readonly ProtocolSaturation[]): SeriesInput {
  const percentiles = ["latencyMsP50", "latencyMsP99"] as const;
  return {
    kind: "scatter",
    x: { label: "goodput", unit: "tx/s", better: "higher" },
    y: { label: "latency", unit: "ms", better: "lower" },
    groups: found.slice(0, GROUPS_MAX / 2).flatMap((one) =>
      percentiles.map((percentile) => ({
        name: `${nameOf(found, one)}, ${percentile === "latencyMsP50" ? "p50" : "p99"}`,
        points: one.loads.flatMap((load) => {
          const y = load[percentile];
          const label = `${one.protocol} at ${load.offeredTps.toFixed(0)} tx/s`;
          return y === undefined ? [] : [{ x: load.goodputTps, y, label }];
        }),
      })),
    ),
  };
}

/** Abort ratio by load. */
export function abortSeries(found: readonly ProtocolSaturation[]): SeriesInput {
  const all = found.flatMap(({ loads }) => loads.map(({ offeredTps }) => offeredTps));
  const x = [...new Set(all)].sort((one, other) => one - other);
  return {
    kind: "line",
    xLabel: "offered, tx/s",
    yLabel: "aborted",
    yUnit: "%",
    x,
    curves: found.map((one) => ({
      name: nameOf(found, one),
      y: x.map((tps) => one.loads.find(({ offeredTps }) => offeredTps === tps)?.abortRatio ?? null),
    })),
  };
}

/** Every load that was tried. */
export function pointTable(found: readonly ProtocolSaturation[]): SeriesInput {
  const number = (key: string, title: string, unit: string) =>
    ({ key, title, unit, type: "number" }) as const;
  return {
    kind: "table",
    columns: [
      { key: "protocol", title: "Protocol", type: "text" },
      number("shards", "Shards", ""),
      number("offeredTps", "Offered", "tx/s"),
      number("goodputTps", "Goodput", "tx/s"),
      number("latencyMsP50", "Latency, p50", "ms"),
      number("latencyMsP99", "Latency, p99", "ms"),
      number("abortRatio", "Aborted", "%"),
      number("crossShardRatio", "Cross-shard", "%"),
    ],
    rows: found.flatMap(({ protocol, shards, loads }) =>
      loads.map((load) => ({
        protocol,
        shards,
        ...load,
        latencyMsP50: load.latencyMsP50 ?? null,
        latencyMsP99: load.latencyMsP99 ?? null,
      })),
    ),
  };
}
