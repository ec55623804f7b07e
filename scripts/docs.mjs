#!/usr/bin/env node
// `npm run docs`: writes docs/experiments/*.md from the definitions in packages/registry. A page
// that no definition has any more is removed. A test in tooling/ fails when the committed pages are
// not up to date.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { experiments, renderExperimentDocs } from "../packages/registry/src/index.ts";

const folder = path.resolve(import.meta.dirname, "../docs/experiments");
mkdirSync(folder, { recursive: true });
const pages = renderExperimentDocs(experiments.values());

for (const name of readdirSync(folder)) {
  if (pages.has(name)) continue;
  rmSync(path.join(folder, name));
  console.log(`removed docs/experiments/${name}`);
}
for (const [name, text] of pages) {
  const file = path.join(folder, name);
  if (read(file) === text) continue;
  writeFileSync(file, text);
  console.log(`wrote docs/experiments/${name}`);
}

function read(file) {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}
