import { existsSync, readdirSync } from "node:fs";
import path from "node:path";

const SKIPPED = new Set(["node_modules", ".next", ".turbo", "generated", "test"]);

/** All files below a folder in a fixed order, without what is built or installed. */
export function sourceFiles(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => !SKIPPED.has(name) && !/\.(tsbuildinfo|log)$|^next-env/.test(name))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const at = path.join(folder, entry.name);
      return entry.isDirectory() ? sourceFiles(at) : [at];
    });
}
