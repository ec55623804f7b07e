import type { SeriesInput } from "@fmlab/experiment";

type Line = Extract<SeriesInput, { kind: "line" }>;
type Bars = Extract<SeriesInput, { kind: "bars" }>;
type Timeline = Extract<SeriesInput, { kind: "timeline" }>;

/**
 * Two runs' pictures of one kind as one: curves over both x axes (as steps: each keeps its last
 * value), categories after each other, lanes of one name next to each other.
 *
 * @param names what each run's lanes are called
 */
export function sideBySide(
  one: SeriesInput,
  other: SeriesInput,
  names: readonly [string, string],
): SeriesInput {
  if (one.kind === "line" && other.kind === "line") return bothCurves(one, other);
  if (one.kind === "bars" && other.kind === "bars") return bothCategories(one, other);
  if (one.kind === "timeline" && other.kind === "timeline") return bothLanes(one, other, names);
  return one;
}

function bothCurves(one: Line, other: Line): Line {
  const x = [...new Set([...one.x, ...other.x])].sort((a, b) => a - b);
  const over = (line: Line) =>
    line.curves.map(({ name, y }) => ({ name, y: x.map((at) => lastUpTo(line.x, y, at)) }));
  return { ...one, x, curves: [...over(one), ...over(other)] };
}

/** The value at the last x up to `at`; 0 before the first. */
function lastUpTo(x: readonly number[], y: readonly (number | null)[], at: number): number | null {
  let low = 0;
  let high = x.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((x[middle] as number) <= at) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? 0 : (y[low - 1] ?? null);
}

function bothCategories(one: Bars, other: Bars): Bars {
  const none = other.categories.map(() => null);
  const groups = one.groups.map((group) => {
    const same = other.groups.find(({ name }) => name === group.name);
    return { ...group, values: [...group.values, ...(same?.values ?? none)] };
  });
  return { ...one, categories: [...one.categories, ...other.categories], groups };
}

function bothLanes(one: Timeline, other: Timeline, names: readonly [string, string]): Timeline {
  const shared = [...new Set([...one.lanes, ...other.lanes])];
  const lanes: string[] = [];
  const at = [new Map<string, number>(), new Map<string, number>()] as const;
  for (const lane of shared) {
    [one, other].forEach((timeline, i) => {
      if (!timeline.lanes.includes(lane)) return;
      at[i as 0 | 1].set(lane, lanes.length);
      lanes.push(`${lane}, ${names[i]}`);
    });
  }
  const moved = (timeline: Timeline, places: ReadonlyMap<string, number>) =>
    timeline.events.map((event) => {
      const lane = places.get(timeline.lanes[event.lane] ?? "") ?? 0;
      return { ...event, lane };
    });
  const notes = [one.note, other.note].filter((note) => note !== undefined && note !== "");
  return {
    ...one,
    lanes,
    events: [...moved(one, at[0]), ...moved(other, at[1])],
    note: notes.join("; "),
  };
}
