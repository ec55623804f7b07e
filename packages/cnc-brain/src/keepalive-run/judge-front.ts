import { mean, pairedRatioCi, type RatioInterval } from "@fmlab/stats";

/** One policy's cold starts and idle memory at one setting. */
export interface FrontPoint {
  policy: string;
  setting: string;
  /** Percent of the requests. */
  coldStartRate: number;
  idleMemoryGbHours: number;
}

/** All points of one window of a trace under one seed. */
export interface FrontWindow {
  seed: number;
  points: readonly FrontPoint[];
}

/** How one setting of ours stands to the others' front. */
export interface FrontVerdict {
  setting: string;
  /** Means over seeds, of ours and of the front at the same memory. */
  idleMemoryGbHours: number;
  coldStartRate: number;
  frontColdStartRate: number;
  /** Our cold starts over the front's at the same memory, paired by seed; below 1 is fewer. */
  ratio: RatioInterval;
  /** The ratio against each policy alone; NaN where that one never takes so little memory. */
  byPolicy: Record<string, number>;
  /** `beyond`: the whole interval below 1; `on`: it holds 1; `behind`: the whole of it above. */
  verdict: "beyond" | "on" | "behind";
}

type Vertex = Pick<FrontPoint, "coldStartRate" | "idleMemoryGbHours">;

/**
 * The front of some points: the lower left side of their convex hull, by rising memory. Between two
 * of its points lies what one gets by drawing lots, container by container, which of the two
 * settings applies; so it is at least as hard to reach as the points alone.
 */
export function frontOf(points: readonly Vertex[]): Vertex[] {
  const sorted = [...points].sort(
    (a, b) => a.idleMemoryGbHours - b.idleMemoryGbHours || a.coldStartRate - b.coldStartRate,
  );
  const front: Vertex[] = [];
  for (const point of sorted) {
    const last = front.at(-1);
    if (last !== undefined && point.coldStartRate >= last.coldStartRate) continue;
    while (front.length >= 2 && isAbove(front.at(-2) as Vertex, front.at(-1) as Vertex, point)) {
      front.pop();
    }
    front.push(point);
  }
  return front;
}

/** Whether `middle` lies on or above the line from `from` to `to`. */
function isAbove(from: Vertex, middle: Vertex, to: Vertex): boolean {
  const run = to.idleMemoryGbHours - from.idleMemoryGbHours;
  const share = (middle.idleMemoryGbHours - from.idleMemoryGbHours) / run;
  const line = from.coldStartRate + share * (to.coldStartRate - from.coldStartRate);
  return middle.coldStartRate >= line;
}

/** The front's cold starts at some memory: NaN below its least, its lowest beyond its most. */
export function frontAt(front: readonly Vertex[], idleMemoryGbHours: number): number {
  const right = front.findIndex((one) => one.idleMemoryGbHours >= idleMemoryGbHours);
  if (right < 0) return front.at(-1)?.coldStartRate ?? Number.NaN;
  const to = front[right] as Vertex;
  if (to.idleMemoryGbHours === idleMemoryGbHours) return to.coldStartRate;
  const from = front[right - 1];
  if (from === undefined) return Number.NaN;
  const run = to.idleMemoryGbHours - from.idleMemoryGbHours;
  const share = (idleMemoryGbHours - from.idleMemoryGbHours) / run;
  return from.coldStartRate + share * (to.coldStartRate - from.coldStartRate);
}

/**
 * For each setting of `ours`, whether it is on or beyond the front of `others`: in every window our
 * cold starts are set against the front's at the very memory that ours took there. The seed is what
 * repeats: windows are averaged within it.
 *
 * @param windows every one with the same settings; at least 3 seeds
 * @throws StatsError `TOO_FEW_SEEDS`; `NON_FINITE_VALUE` where no other takes as little memory
 */
export function judgeFront(
  windows: readonly FrontWindow[],
  ours: string,
  others: readonly string[],
): FrontVerdict[] {
  const settings = (windows[0]?.points ?? []).filter(({ policy }) => policy === ours);
  return settings.map(({ setting }): FrontVerdict => {
    const of = ({ points }: FrontWindow) =>
      points.find((one) => one.policy === ours && one.setting === setting) as FrontPoint;
    const frontRate = (window: FrontWindow, policies: readonly string[]) =>
      frontAt(
        frontOf(window.points.filter(({ policy }) => policies.includes(policy))),
        of(window).idleMemoryGbHours,
      );
    const rates = bySeed(windows, (window) => of(window).coldStartRate);
    const ratioTo = (policies: readonly string[]) =>
      pairedRatioCi(
        rates,
        bySeed(windows, (window) => frontRate(window, policies)),
      );
    const ratio = ratioTo(others);
    const ratioAlone = (policy: string) => {
      const front = windows.map((window) => frontRate(window, [policy]));
      return front.some(Number.isNaN) ? Number.NaN : mean(rates) / mean(front);
    };
    return {
      setting,
      idleMemoryGbHours: mean(windows.map((window) => of(window).idleMemoryGbHours)),
      coldStartRate: mean(rates),
      frontColdStartRate: mean(windows.map((window) => frontRate(window, others))),
      ratio,
      byPolicy: Object.fromEntries(others.map((policy) => [policy, ratioAlone(policy)])),
      verdict: ratio.high < 1 ? "beyond" : ratio.low > 1 ? "behind" : "on",
    };
  });
}

function bySeed(windows: readonly FrontWindow[], of: (window: FrontWindow) => number): number[] {
  const seeds = [...new Set(windows.map(({ seed }) => seed))];
  return seeds.map((seed) => mean(windows.filter((one) => one.seed === seed).map(of)));
}
