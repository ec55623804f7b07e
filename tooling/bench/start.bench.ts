/**
 * How long `npm start` takes until a run can be launched. Without a flag: warm starts of this
 * checkout (built, database there). With `--fresh`: a clone of HEAD, `npm ci` and the first start,
 * which builds; npm packages come from npm's cache.
 *
 *     node --import tsx tooling/bench/start.bench.ts [--json] [--fresh] [--rounds N]
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { Product, ROOT } from "../product/product.ts";

const WARM_LIMIT_S = 6;
const FRESH_LIMIT_S = 120;

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    fresh: { type: "boolean", default: false },
    rounds: { type: "string" },
  },
});
const rounds = Number(values.rounds ?? (values.fresh ? 1 : 5));
const name = values.fresh ? "start-fresh" : "start-warm";
const limit = values.fresh ? FRESH_LIMIT_S : WARM_LIMIT_S;
const seconds = values.fresh ? await freshStarts() : await warmStarts();
report();

async function freshStarts(): Promise<number[]> {
  const taken: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const folder = mkdtempSync(path.join(os.tmpdir(), "fmlab-fresh-"));
    const checkout = path.join(folder, "fmlab");
    execFileSync("git", ["clone", "--quiet", ROOT, checkout]);
    const product = new Product(checkout);
    try {
      const startedAt = performance.now();
      execFileSync("npm", ["ci", "--prefer-offline"], { cwd: checkout, stdio: "ignore" });
      const installed = (performance.now() - startedAt) / 1e3;
      await product.start();
      taken.push((performance.now() - startedAt) / 1e3);
      process.stderr.write(`npm ci ${installed.toFixed(1)} s, in all ${taken.at(-1)} s\n`);
    } finally {
      await product.dispose();
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return taken;
}

async function warmStarts(): Promise<number[]> {
  const product = new Product();
  const taken: number[] = [];
  try {
    // Round 0 builds when needed and makes the database.
    for (let round = 0; round <= rounds; round++) {
      const startedAt = performance.now();
      await product.start();
      if (round > 0) taken.push((performance.now() - startedAt) / 1e3);
      await product.interrupt();
    }
  } finally {
    await product.dispose();
  }
  return taken;
}

function report(): void {
  const ours = Math.max(...seconds);
  const result = { name, ours, peer: limit, ratio: ours / limit, unit: "s, slowest", seconds };
  if (values.json) {
    process.stdout.write(`${JSON.stringify(result)}\n`);
    return;
  }
  const all = seconds.map((s) => s.toFixed(2)).join(" ");
  process.stdout.write(`${name}: ${all} s; slowest ${ours.toFixed(2)} s, bar ${limit} s\n`);
}
