import { badFile } from "../errors.ts";
import { fibreDelayMs, haversineKm, largestPart, type Site, type Topology } from "./topology.ts";
import { parseXml, type XmlElement } from "./xml.ts";

/** What is assumed where a map says nothing. */
export interface GraphmlOptions {
  /** Capacity of links without LinkSpeedRaw. */
  defaultCapacityMbps?: number;
  /** One-way delay of links whose ends have no place, even by their neighbours. */
  defaultDelayMs?: number;
}

/**
 * Reads a map of the Internet Topology Zoo.
 *
 * Sites without coordinates take the mean of their neighbours', round by round; delays follow from
 * the distance (`fibreDelayMs`). Self-loops are dropped; of a map in several parts the largest is
 * kept. `notes` of the result say what was assumed.
 *
 * @param name shown in messages and results
 * @throws CncError `BAD_FILE` with the line
 * @see Knight et al. 2011, The Internet Topology Zoo, IEEE JSAC 29(9)
 */
export function parseGraphml(source: string, name: string, options: GraphmlOptions = {}): Topology {
  const { defaultCapacityMbps = 10_000, defaultDelayMs = 1 } = options;
  const root = parseXml(source, name);
  const graph = root.name === "graphml" ? root.children.find((c) => c.name === "graph") : undefined;
  if (graph === undefined) throw badFile(name, root.line, "no <graph> inside <graphml>");
  const keys = readKeys(root);
  const index = new Map<string, number>();
  const sites: Site[] = [];
  for (const node of graph.children.filter((c) => c.name === "node")) {
    const id = node.attributes.id;
    if (id === undefined) throw badFile(name, node.line, "a <node> without an id");
    if (index.has(id)) throw badFile(name, node.line, `the node ${id} occurs twice`);
    index.set(id, sites.length);
    sites.push(readSite(node, keys, id, name));
  }
  if (sites.length === 0) throw badFile(name, graph.line, "the graph has no <node>");
  const edges = graph.children
    .filter((c) => c.name === "edge")
    .map((edge) => readEdge(edge, keys, index, name))
    .filter(({ from, to }) => from !== to);
  const notes = placeSites(sites, edges);
  const unknownSpeed = edges.filter((e) => e.capacityMbps === undefined).length;
  if (unknownSpeed > 0) {
    notes.push(`${unknownSpeed} of ${edges.length} links without a speed: ${defaultCapacityMbps}`);
  }
  const links = edges.map(({ from, to, capacityMbps }) => ({
    from,
    to,
    capacityMbps: capacityMbps ?? defaultCapacityMbps,
    delayMs: delayBetween(sites[from] as Site, sites[to] as Site, defaultDelayMs),
  }));
  return largestPart({ name, sites, links, notes });
}

/** Attribute name by (element, key id): ids differ from file to file. */
function readKeys(root: XmlElement): Map<string, string> {
  const keys = new Map<string, string>();
  for (const { name, attributes } of root.children) {
    if (name !== "key") continue;
    keys.set(`${attributes.for}:${attributes.id}`, attributes["attr.name"] ?? "");
  }
  return keys;
}

function dataOf(element: XmlElement, keys: Map<string, string>): Map<string, string> {
  const data = new Map<string, string>();
  for (const child of element.children) {
    if (child.name !== "data") continue;
    const key = keys.get(`${element.name}:${child.attributes.key}`);
    if (key !== undefined) data.set(key, child.text.trim());
  }
  return data;
}

function readSite(node: XmlElement, keys: Map<string, string>, id: string, path: string): Site {
  const data = dataOf(node, keys);
  const degrees = (key: string, limit: number): number | undefined => {
    const text = data.get(key);
    if (text === undefined || text === "") return undefined;
    const value = Number(text);
    if (Math.abs(value) <= limit) return value;
    throw badFile(path, node.line, `${key} of node ${id} is ${text}, not within +-${limit}`);
  };
  const latitude = degrees("Latitude", 90);
  const longitude = degrees("Longitude", 180);
  const isPlaced = latitude !== undefined && longitude !== undefined;
  return {
    name: data.get("label") || id,
    latitude: isPlaced ? latitude : undefined,
    longitude: isPlaced ? longitude : undefined,
  };
}

interface Edge {
  from: number;
  to: number;
  capacityMbps: number | undefined;
}

function readEdge(
  edge: XmlElement,
  keys: Map<string, string>,
  index: Map<string, number>,
  path: string,
): Edge {
  const end = (which: "source" | "target"): number => {
    const id = edge.attributes[which] ?? "";
    const found = index.get(id);
    if (found !== undefined) return found;
    throw badFile(path, edge.line, `the ${which} of an <edge>, "${id}", is no node of the graph`);
  };
  const bitsPerSecond = Number(dataOf(edge, keys).get("LinkSpeedRaw") ?? Number.NaN);
  const capacityMbps = bitsPerSecond > 0 ? bitsPerSecond / 1e6 : undefined;
  return { from: end("source"), to: end("target"), capacityMbps };
}

/** Gives sites without coordinates the mean of their placed neighbours. Returns remarks. */
function placeSites(sites: Site[], edges: readonly Edge[]): string[] {
  const missing = sites.filter((s) => s.latitude === undefined).length;
  if (missing === 0) return [];
  for (;;) {
    const found: [number, Site[]][] = [];
    sites.forEach((site, i) => {
      if (site.latitude !== undefined) return;
      const neighbours = edges
        .flatMap(({ from, to }) => (from === i ? [to] : to === i ? [from] : []))
        .map((j) => sites[j] as Site)
        .filter((s) => s.latitude !== undefined);
      if (neighbours.length > 0) found.push([i, neighbours]);
    });
    if (found.length === 0) break;
    for (const [i, neighbours] of found) {
      const mean = (of: (s: Site) => number | undefined) =>
        neighbours.reduce((sum, s) => sum + (of(s) ?? 0), 0) / neighbours.length;
      const site = sites[i] as Site;
      sites[i] = {
        ...site,
        latitude: mean((s) => s.latitude),
        longitude: mean((s) => s.longitude),
      };
    }
  }
  const left = sites.filter((s) => s.latitude === undefined).length;
  const notes = [`${missing - left} of ${sites.length} sites placed between their neighbours`];
  if (left > 0) notes.push(`${left} sites without any place: their links have the default delay`);
  return notes;
}

function delayBetween(a: Site, b: Site, otherwiseMs: number): number {
  if (a.latitude === undefined || b.latitude === undefined) return otherwiseMs;
  const place = (s: Site) => ({ latitude: s.latitude ?? 0, longitude: s.longitude ?? 0 });
  return fibreDelayMs(haversineKm(place(a), place(b)));
}
