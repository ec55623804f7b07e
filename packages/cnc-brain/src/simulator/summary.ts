import type { SimulationResult } from "./result.ts";

const MS_PER_HOUR = 3_600_000;

/** What a run comes to; times in ms, shares in 0..1. */
export interface RunSummary {
  count: number;
  responseMsMean: number;
  responseMsP50: number;
  responseMsP95: number;
  responseMsP99: number;
  /** Share answered within the function's target. */
  sloAttainment: number;
  /** Mean of min(response / SLO, 10) + 1 for each miss; a request never answered counts 11. */
  placementCost: number;
  coldStartRate: number;
  /** Core time held over core time there was, all nodes together. */
  utilisation: number;
  /** Coefficient of variation of the nodes' utilisations, and Jain's index of them. */
  utilisationCv: number;
  utilisationJain: number;
  memoryUtilisation: number;
  /** Gigabyte-hours of containers without work. */
  idleMemoryGbHours: number;
  throughputPerSecond: number;
  lostShare: number;
  /** In the currency of the nodes' prices. */
  price: number;
  energyKwh: number;
  carbonG: number;
  /** Age of what schedulers saw, mean, and what keeping it up to date moves. */
  snapshotAgeMs: number;
  snapshotBytesPerSecond: number;
  decisionUsP50: number;
  decisionUsP99: number;
}

/** Sums a simulation up. Requests of the warm-up do not count. */
export function summarise(result: SimulationResult): RunSummary {
  const { countedFrom, responseMs, isCold, functions, functionIndex } = result;
  const count = responseMs.length - countedFrom;
  const answered: number[] = [];
  let [met, cold, cost] = [0, 0, 0];
  for (let i = countedFrom; i < responseMs.length; i++) {
    const response = responseMs[i] as number;
    const { sloMs } = functions[functionIndex[i] as number] as { sloMs: number };
    cold += isCold[i] as number;
    cost += costOf(response, sloMs);
    if (Number.isNaN(response)) continue;
    answered.push(response);
    if (response <= sloMs) met++;
  }
  const sorted = Float64Array.from(answered).sort();
  const decisions = Float64Array.from(result.decisionUs).sort();
  return {
    count,
    responseMsMean: sum(sorted) / sorted.length,
    responseMsP50: quantileOf(sorted, 0.5),
    responseMsP95: quantileOf(sorted, 0.95),
    responseMsP99: quantileOf(sorted, 0.99),
    sloAttainment: met / count,
    placementCost: cost / count,
    coldStartRate: cold / count,
    throughputPerSecond: (answered.length / result.measuredMs) * 1000,
    lostShare: (count - answered.length) / count,
    snapshotAgeMs: result.snapshots.ageMsMean,
    snapshotBytesPerSecond: (result.snapshots.bytes / result.measuredMs) * 1000,
    decisionUsP50: quantileOf(decisions, 0.5),
    decisionUsP99: quantileOf(decisions, 0.99),
    ...summariseNodes(result),
  };
}

/** The project's cost of one answer: min(response / SLO, 10), and 1 more for a miss. */
export function costOf(responseMs: number, sloMs: number): number {
  if (Number.isNaN(responseMs)) return 11;
  return Math.min(responseMs / sloMs, 10) + (responseMs > sloMs ? 1 : 0);
}

function summariseNodes({ nodes }: SimulationResult) {
  const uses = nodes.map(({ coreMs, upMs, spec }) => (upMs > 0 ? coreMs / (upMs * spec.cores) : 0));
  const total = (of: (node: (typeof nodes)[number]) => number) =>
    nodes.reduce((all, node) => all + of(node), 0);
  const mean = uses.reduce((a, b) => a + b, 0) / uses.length;
  const squares = uses.reduce((a, b) => a + b * b, 0);
  const variance = Math.max(0, squares / uses.length - mean * mean);
  const kwh = (node: (typeof nodes)[number]) =>
    (node.upMs * node.spec.powerIdleW + node.coreMs * node.spec.powerPerCoreW) / MS_PER_HOUR / 1000;
  return {
    utilisation: total((n) => n.coreMs) / total((n) => n.upMs * n.spec.cores),
    utilisationCv: mean === 0 ? 0 : Math.sqrt(variance) / mean,
    utilisationJain: squares === 0 ? 1 : (mean * uses.length) ** 2 / (uses.length * squares),
    memoryUtilisation: total((n) => n.memoryMbMs) / total((n) => n.upMs * n.spec.memoryMb),
    idleMemoryGbHours: total((n) => n.idleMemoryMbMs) / 1000 / MS_PER_HOUR,
    price: total(
      ({ spec, coreMs, memoryMbMs }) =>
        (coreMs * spec.pricePerCoreHour + (memoryMbMs / 1000) * spec.pricePerGbHour) / MS_PER_HOUR,
    ),
    energyKwh: total(kwh),
    carbonG: total((n) => kwh(n) * n.spec.carbonGPerKwh),
  };
}

/** Linear between order statistics (type 7); NaN of nothing. */
export function quantileOf(sorted: Float64Array, probability: number): number {
  if (sorted.length === 0) return Number.NaN;
  const place = (sorted.length - 1) * probability;
  const below = Math.floor(place);
  const low = sorted[below] as number;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] as number;
  return low + (place - below) * (high - low);
}

function sum(values: Float64Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
