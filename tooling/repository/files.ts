import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

/** The repository's root folder. */
export const ROOT = path.resolve(import.meta.dirname, "../..");

/**
 * Every file that is, or would be, committed: tracked ones and new ones that git does not ignore.
 * Paths relative to the root, `/` between parts.
 */
export function listFiles(): string[] {
  const listed = execFileSync("git", ["ls-files", "-coz", "--exclude-standard"], {
    cwd: ROOT,
    encoding: "utf8",
    maxBuffer: 64 * 2 ** 20,
  });
  // A deleted file stays listed until the deletion is committed.
  const names = listed.split("\0").filter((name) => name !== "" && existsSync(inRoot(name)));
  return [...new Set(names)].sort();
}

/** The absolute path of a file of the repository. */
export function inRoot(name: string): string {
  return path.join(ROOT, name);
}

/** The text of a file of the repository. */
export function readText(name: string): string {
  return readFileSync(inRoot(name), "utf8");
}

/** TypeScript and JavaScript that people write; generated code is not committed. */
export function isCode(name: string): boolean {
  return /\.(ts|tsx|mjs|js)$/.test(name) && !name.endsWith(".d.ts") && !name.endsWith(".d.mts");
}

/** Tests and what only they use. */
export function isTest(name: string): boolean {
  return /(^|\/)(test|e2e|bench)\/|\/testing\.ts$|\.(test|e2e)\.tsx?$/.test(name);
}
