import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { withLock } from "./lock.mjs";
import { log } from "./log.mjs";
import { runOnce } from "./process.mjs";
import { sourceFiles } from "./source-files.mjs";

/** Folders whose content decides what `next build` makes, beside the sources of all packages. */
const SOURCES = ["apps/web", "packages/db/prisma"];

/**
 * Builds the web application unless the last build was made from the same sources. Two starts from
 * one checkout share one build: the second waits for the first.
 */
export async function buildWeb({ root, env }) {
  const web = path.join(root, "apps/web");
  const stamp = path.join(web, ".next/fmlab-build");
  const wanted = fingerprint(root);
  const isBuilt = () => existsSync(stamp) && readFileSync(stamp, "utf8") === wanted;
  if (isBuilt()) return;
  await withLock(path.join(root, "node_modules/.cache/fmlab-build.lock"), async () => {
    if (isBuilt()) return;
    log("building the web application (once; about 30 s on two cores)");
    const next = path.join(root, "node_modules/next/dist/bin/next");
    await runOnce("build", [next, "build"], { cwd: web, env });
    writeFileSync(stamp, wanted);
    log("web application built");
  });
}

function fingerprint(root) {
  const hash = createHash("sha256").update(process.version);
  hash.update(readFileSync(path.join(root, "package-lock.json")));
  const packages = readdirSync(path.join(root, "packages")).map((name) => `packages/${name}/src`);
  for (const folder of [...SOURCES, ...packages.sort()]) {
    for (const file of sourceFiles(path.join(root, folder))) {
      hash.update(`\0${path.relative(root, file)}\0`).update(readFileSync(file));
    }
  }
  return hash.digest("hex");
}
