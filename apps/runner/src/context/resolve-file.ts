import { access, constants, realpath } from "node:fs/promises";
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { ExperimentError, type RequiredFile } from "@fmlab/experiment";

/** Where a config's file fields may point. */
export interface FileRooms {
  modelsDir: string;
  dataDir: string | undefined;
  scratchDir: string;
  /** `exec` on one's own machine: any path, relative ones also from the working folder. */
  anyPath: boolean;
}

/**
 * The absolute path of a config's file. A launched run's path is relative and is looked for in the
 * models folder, then the data folder, then the scratch folder; what it resolves to, symlinks
 * followed, must lie inside that same folder.
 *
 * @param required what the definition says of the file, so that a missing one can be explained
 * @throws ExperimentError `FORBIDDEN_PATH` | `MISSING_FILE`
 */
export async function resolveFile(
  path: string,
  rooms: FileRooms,
  required: readonly RequiredFile[] = [],
): Promise<string> {
  if (!rooms.anyPath) refuseEscapes(path);
  if (isAbsolute(path)) {
    if (await isReadable(path)) return path;
    throw missing(path, ["that place"], required);
  }
  const named = roomsOf(rooms);
  for (const room of named) {
    const candidate = resolve(room.folder, path);
    if (!(await isReadable(candidate))) continue;
    if (!rooms.anyPath) await refuseLeaving(path, candidate, room.folder);
    return candidate;
  }
  throw missing(
    path,
    named.map((room) => room.name),
    required,
  );
}

function refuseEscapes(path: string): void {
  const parts = path.split(/[\\/]/);
  if (
    path === "" ||
    isAbsolute(path) ||
    /^[A-Za-z]:/.test(path) ||
    parts.includes("..") ||
    path.includes("\0")
  ) {
    throw new ExperimentError(
      `path ${JSON.stringify(path)} is not allowed: a launched run reads files by their relative ` +
        "path inside the models or data folder",
      { code: "FORBIDDEN_PATH", path },
    );
  }
}

async function refuseLeaving(path: string, candidate: string, folder: string): Promise<void> {
  const inside = relative(await realpath(folder), await realpath(candidate));
  if (inside === ".." || inside.startsWith(`..${sep}`) || isAbsolute(inside)) {
    throw new ExperimentError(
      `path ${JSON.stringify(path)} is not allowed: it is a link that leaves its folder`,
      { code: "FORBIDDEN_PATH", path },
    );
  }
}

function roomsOf(rooms: FileRooms): { name: string; folder: string }[] {
  return [
    ...(rooms.anyPath ? [{ name: "the working folder", folder: process.cwd() }] : []),
    { name: "the models folder", folder: rooms.modelsDir },
    ...(rooms.dataDir === undefined ? [] : [{ name: "the data folder", folder: rooms.dataDir }]),
    { name: "the run's scratch folder", folder: rooms.scratchDir },
  ];
}

function missing(
  path: string,
  places: string[],
  required: readonly RequiredFile[],
): ExperimentError {
  const told = required.find((file) => file.path === path);
  const known =
    told === undefined
      ? ""
      : `; get it from ${told.source} (licence: ${told.licence}) and put it into the ` +
        `${told.room === "model" ? "models" : "data"} folder`;
  const hint = places.includes("the data folder")
    ? ""
    : "; FMLAB_DATA_DIR is not set on this machine";
  const where = places.length === 1 ? places[0] : places.join(", ");
  return new ExperimentError(
    `file ${path} was not found; looked in ${where}${told?.room === "data" ? hint : ""}${known}`,
    { code: "MISSING_FILE", path, source: told?.source, licence: told?.licence },
  );
}

async function isReadable(path: string): Promise<boolean> {
  try {
    await access(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

/** A folder-relative name for a resolved file, for records that hold no absolute path. */
export function recordedPath(absolute: string, rooms: FileRooms): string {
  for (const folder of [rooms.modelsDir, rooms.dataDir, rooms.scratchDir]) {
    if (folder === undefined) continue;
    const inside = relative(folder, absolute);
    if (!inside.startsWith("..") && !isAbsolute(inside)) return inside;
  }
  return join("<path>", absolute.split(sep).at(-1) ?? "");
}
