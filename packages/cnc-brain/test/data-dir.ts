import { existsSync } from "node:fs";
import { join } from "node:path";

/** A file of third-party data, or undefined (with a message) when this machine has none. */
export function dataFile(name: string): string | undefined {
  const folder = process.env.FMLAB_DATA_DIR;
  const path = folder === undefined ? undefined : join(folder, name);
  if (path !== undefined && existsSync(path)) return path;
  process.stderr.write(`skipped: set FMLAB_DATA_DIR to a folder with ${name}\n`);
  return undefined;
}
