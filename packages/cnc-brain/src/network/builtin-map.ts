import { fibreDelayMs, haversineKm, type Topology } from "./topology.ts";

/**
 * Ten towns and fourteen links, written for this repository so that every install has a map: six
 * regions a wide-area network would join. Coordinates are rounded to a tenth of a degree.
 */
const TOWNS: readonly [name: string, latitude: number, longitude: number][] = [
  ["Lisbon", 38.7, -9.1],
  ["London", 51.5, -0.1],
  ["Frankfurt", 50.1, 8.7],
  ["Stockholm", 59.3, 18.1],
  ["New York", 40.7, -74.0],
  ["Chicago", 41.9, -87.6],
  ["San Francisco", 37.8, -122.4],
  ["Tokyo", 35.7, 139.7],
  ["Singapore", 1.4, 103.8],
  ["Mumbai", 19.1, 72.9],
];

const LINKS: readonly [from: number, to: number, capacityMbps: number][] = [
  [0, 1, 10_000],
  [0, 4, 10_000],
  [1, 2, 40_000],
  [1, 4, 40_000],
  [2, 3, 10_000],
  [2, 9, 10_000],
  [1, 3, 10_000],
  [4, 5, 40_000],
  [5, 6, 40_000],
  [4, 6, 10_000],
  [6, 7, 10_000],
  [7, 8, 10_000],
  [8, 9, 10_000],
  [6, 8, 10_000],
];

/** The map every install has. */
export function builtinMap(): Topology {
  const sites = TOWNS.map(([name, latitude, longitude]) => ({ name, latitude, longitude }));
  const links = LINKS.map(([from, to, capacityMbps]) => {
    const [a, b] = [sites[from], sites[to]];
    if (a === undefined || b === undefined)
      throw new Error("a link of the built-in map ends nowhere");
    return { from, to, capacityMbps, delayMs: fibreDelayMs(haversineKm(a, b)) };
  });
  return { name: "ten-towns", sites, links, notes: [] };
}
