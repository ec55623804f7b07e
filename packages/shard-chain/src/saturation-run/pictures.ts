import type { SeriesInput } from "@fmlab/experiment";
import type { ProtocolSaturation } from "./run.ts";

/** Sustained load by number of shards; of several cross-shard shares the mean. */
export function shardSeries(found: readonly ProtocolSaturation[]): SeriesInput {
  const x = [...new Set(found.map(({ shards }) => shards))].sort((one, other) => one - other);
  const protocols = [...new Set(found.map(({ protocol }) => protocol))];
  const at = (protocol: string, shards: number) => {
    const loads = found
      .filter((one) => one.protocol === protocol && one.shards === shards)
      .map(({ saturation }) => saturation.sustainedTps);
    return loads.length === 0 ? null : loads.reduce((sum, tps) => sum + tps, 0) / loads.length;
  };
  return {
    kind: "line",
    xLabel: "shards",
    yLabel: "sustained load",
    yUnit: "tx/s",
    x,
    curves: protocols.map((protocol) => ({
      name: protocol,
      y: x.map((shards) => at(protocol, shards)),
    })),
  };
}

/** Sustained load by the share of transactions that go over several shards, as measured. */
export function crossShareSeries(found: readonly ProtocolSaturation[]): SeriesInput {
  const shares = found.flatMap(({ crossShare }) => crossShare ?? []);
  const x = [...new Set(shares)].sort((one, other) => one - other);
  const curves = new Map<string, (number | null)[]>();
  for (const one of found) {
    if (one.crossShare === undefined) continue;
    const isSweep = found.some(({ shards }) => shards !== one.shards);
    const name = isSweep ? `${one.protocol}, ${one.shards} shards` : one.protocol;
    const y = curves.get(name) ?? x.map(() => null);
    y[x.indexOf(one.crossShare)] = one.saturation.sustainedTps;
    curves.set(name, y);
  }
  return {
    kind: "line",
    xLabel: "transactions over several shards, %",
    yLabel: "sustained load",
    yUnit: "tx/s",
    x: x.map((share) => 100 * share),
    curves: [...curves].map(([name, y]) => ({ name, y })),
  };
}

/** What a group of points is about; shards and shares only where there are several of them. */
function nameOf(found: readonly ProtocolSaturation[], one: ProtocolSaturation): string {
  const isSweep = found.some(({ shards }) => shards !== one.shards);
  const isCrossSweep = found.some(({ crossShare }) => crossShare !== one.crossShare);
  const parts: string[] = [one.protocol];
  if (isSweep) parts.push(`${one.shards} shards`);
  if (isCrossSweep) parts.push(`${Math.round(100 * (one.crossShare ?? 0))} % across`);
  return parts.join(", ");
}

/** Pictures hold so many groups at most; of more, the last are in the table only. */
const GROUPS_MAX = 24;

/** Offered load against goodput, a group a protocol and number of shards. */
export function loadScatter(found: readonly ProtocolSaturation[]): SeriesInput {
  const most = Math.max(1, ...found.flatMap(({ loads }) => loads.map((one) => one.goodputTps)));
  return {
    kind: "scatter",
    x: { label: "offered", unit: "tx/s" },
    y: { label: "goodput", unit: "tx/s", better: "higher" },
    groups: found.slice(0, GROUPS_MAX).map((one) => ({
      name: nameOf(found, one),
      joined: true,
      points: byLoad(one).map(({ offeredTps, goodputTps }) => ({
        x: offeredTps,
        y: goodputTps,
        label: `${offeredTps.toFixed(0)} tx/s`,
      })),
    })),
    bounds: [
      {
        name: "all is kept up with",
        points: [
          { x: 0, y: 0 },
          { x: most, y: most },
        ],
      },
    ],
  };
}

/** Goodput against median and tail latency. */
export function latencyScatter(found: readonly ProtocolSaturation[]): SeriesInput {
  const percentiles = ["latencyMsP50", "latencyMsP99"] as const;
  return {
    kind: "scatter",
    x: { label: "goodput", unit: "tx/s", better: "higher" },
    y: { label: "latency", unit: "ms", better: "lower" },
    // Medians first: so each protocol has the colour that it has in the other pictures.
    groups: percentiles.flatMap((percentile) =>
      found.slice(0, GROUPS_MAX / 2).map((one) => ({
        name: `${nameOf(found, one)}, ${percentile === "latencyMsP50" ? "p50" : "p99"}`,
        joined: true,
        points: byLoad(one).flatMap((load) => {
          const y = load[percentile];
          const label = `${load.offeredTps.toFixed(0)} tx/s`;
          return y === undefined ? [] : [{ x: load.goodputTps, y, label }];
        }),
      })),
    ),
  };
}

/** Abort ratio by load. */
export function abortScatter(found: readonly ProtocolSaturation[]): SeriesInput {
  return {
    kind: "scatter",
    x: { label: "offered", unit: "tx/s" },
    y: { label: "aborted", unit: "%", better: "lower" },
    groups: found.slice(0, GROUPS_MAX).map((one) => ({
      name: nameOf(found, one),
      joined: true,
      points: byLoad(one).map(({ offeredTps, abortRatio }) => ({ x: offeredTps, y: abortRatio })),
    })),
  };
}

/** The loads that were tried, rising. */
function byLoad({ loads }: ProtocolSaturation): ProtocolSaturation["loads"] {
  return [...loads].sort((one, other) => one.offeredTps - other.offeredTps);
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
    rows: found.flatMap((one) =>
      byLoad(one).map((load) => ({
        protocol: one.protocol,
        shards: one.shards,
        ...load,
        latencyMsP50: load.latencyMsP50 ?? null,
        latencyMsP99: load.latencyMsP99 ?? null,
      })),
    ),
  };
}
