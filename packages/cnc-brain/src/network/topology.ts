/** A place with nodes and users: a town of a network map, a cloud region. */
export interface Site {
  name: string;
  /** Degrees; undefined where the map gives none. */
  latitude: number | undefined;
  longitude: number | undefined;
}

/** An undirected link; each direction has the whole capacity (full duplex). */
export interface Link {
  from: number;
  to: number;
  /** One way. */
  delayMs: number;
  capacityMbps: number;
}

/** A network map. */
export interface Topology {
  name: string;
  sites: Site[];
  links: Link[];
  /** What was assumed or left out while the map was read. */
  notes: string[];
}

/** Mean radius of the Earth (IUGG). */
const EARTH_RADIUS_KM = 6371.0088;
/** Light in fibre: about 5 microseconds a kilometre. */
const FIBRE_MS_PER_KM = 0.005;
/** Fibre does not follow the great circle; chosen, as the paper notes say (5.5). */
const PATH_STRETCH = 1.5;

/** Great-circle distance between two places in degrees. */
export function haversineKm(
  a: { latitude: number; longitude: number },
  b: { latitude: number; longitude: number },
): number {
  const radians = Math.PI / 180;
  const dLatitude = (b.latitude - a.latitude) * radians;
  const dLongitude = (b.longitude - a.longitude) * radians;
  const h =
    Math.sin(dLatitude / 2) ** 2 +
    Math.cos(a.latitude * radians) * Math.cos(b.latitude * radians) * Math.sin(dLongitude / 2) ** 2;
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(h)));
}

/** One-way delay of a fibre of that length on the map: km x 5 us x 1.5 (a reconstruction). */
export function fibreDelayMs(distanceKm: number): number {
  return distanceKm * FIBRE_MS_PER_KM * PATH_STRETCH;
}

/**
 * The same map with its largest connected part only, so that every site reaches every other.
 * Ties: the part with the lowest site number.
 */
export function largestPart(topology: Topology): Topology {
  const part = partOfSite(topology);
  const sizes = new Map<number, number>();
  for (const p of part) sizes.set(p, (sizes.get(p) ?? 0) + 1);
  if (sizes.size <= 1) return topology;
  const [kept] = [...sizes.entries()].sort((a, b) => b[1] - a[1] || a[0] - b[0])[0] ?? [0];
  const newIndex = new Map<number, number>();
  const sites = topology.sites.filter((_, i) => {
    if (part[i] !== kept) return false;
    newIndex.set(i, newIndex.size);
    return true;
  });
  const links = topology.links.flatMap((link) => {
    const from = newIndex.get(link.from);
    const to = newIndex.get(link.to);
    return from === undefined || to === undefined ? [] : [{ ...link, from, to }];
  });
  const left = topology.sites.length - sites.length;
  const note = `${left} of ${topology.sites.length} sites left out: not connected to the others`;
  return { ...topology, sites, links, notes: [...topology.notes, note] };
}

/** For each site, the lowest site number of its connected part. */
function partOfSite({ sites, links }: Topology): number[] {
  const parent = sites.map((_, i) => i);
  const root = (i: number): number => {
    let at = i;
    while (parent[at] !== at) at = parent[at] as number;
    return at;
  };
  for (const { from, to } of links) {
    const [a, b] = [root(from), root(to)];
    parent[Math.max(a, b)] = Math.min(a, b);
  }
  return sites.map((_, i) => root(i));
}
