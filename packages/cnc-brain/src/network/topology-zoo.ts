import { unknownName } from "../errors.ts";
import { readBytes } from "../read-file.ts";
import { type GraphmlOptions, parseGraphml } from "./graphml.ts";
import { readTar } from "./tar.ts";
import type { Topology } from "./topology.ts";

/**
 * Reads a map by path: a GraphML file, or one of an archive of them (.tar, .tar.gz) by name.
 *
 * @param name of the map inside an archive, without `.graphml`; upper and lower case are equal
 * @throws CncError `UNREADABLE_FILE`, `BAD_FILE`, `UNKNOWN_NAME`
 */
export function readTopology(path: string, name: string, options: GraphmlOptions = {}): Topology {
  const bytes = readBytes(path);
  const isArchive = /\.(tar|tgz|tar\.gz)$/.test(path);
  if (!isArchive) return parseGraphml(new TextDecoder().decode(bytes), name || path, options);
  const known: string[] = [];
  for (const entry of readTar(bytes, path)) {
    const found = /([^/]+)\.graphml$/.exec(entry.name)?.[1];
    if (found === undefined) continue;
    known.push(found);
    if (found.toLowerCase() !== name.toLowerCase()) continue;
    return parseGraphml(new TextDecoder().decode(entry.bytes), found, options);
  }
  throw unknownName("map", name, known.sort());
}

/** Names of the maps in an archive, sorted. */
export function listTopologies(path: string): string[] {
  const names = [...readTar(readBytes(path), path)].flatMap(
    ({ name }) => /([^/]+)\.graphml$/.exec(name)?.[1] ?? [],
  );
  return names.sort();
}
