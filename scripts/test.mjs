#!/usr/bin/env node
// `npm test`: unit, database, fault and browser tests. The last line of the output is
// `N passed, N failed`. Browser tests need a chromium (CHROMIUM or a usual path); without one they
// are skipped with a message, or fail the run with --require-browser.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { generateClient } from "./prepare.mjs";

const root = path.resolve(import.meta.dirname, "..");
const { values: flags } = parseArgs({
  options: { "require-browser": { type: "boolean", default: false } },
});
const scratch = mkdtempSync(path.join(os.tmpdir(), "fmlab-test-"));
const total = { passed: 0, failed: 0 };

await generateClient();
runVitest();
runPlaywright();
rmSync(scratch, { recursive: true, force: true });
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;

function runVitest() {
  const report = path.join(scratch, "vitest.json");
  const status = run("node_modules/vitest/vitest.mjs", [
    "run",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${report}`,
  ]);
  const result = read(report);
  total.passed += result?.numPassedTests ?? 0;
  total.failed += result?.numFailedTests ?? 0;
  // A file that does not load, or an unhandled error, fails no test of its own: it counts as one.
  if (status !== 0 && !result?.numFailedTests) total.failed += 1;
}

function runPlaywright() {
  const chromium = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser"]
    .filter(Boolean)
    .find((file) => existsSync(file));
  if (!chromium) {
    console.log(
      "browser tests skipped: no chromium found; install one or set CHROMIUM to its path",
    );
    if (flags["require-browser"]) total.failed += 1;
    return;
  }
  const report = path.join(scratch, "playwright.json");
  const cli = "node_modules/@playwright/test/cli.js";
  const status = run(cli, ["test", "--reporter=list,json"], {
    CHROMIUM: chromium,
    PLAYWRIGHT_JSON_OUTPUT_NAME: report,
  });
  const stats = read(report)?.stats;
  total.passed += (stats?.expected ?? 0) + (stats?.flaky ?? 0);
  total.failed += stats?.unexpected ?? 0;
  if (status !== 0 && !stats?.unexpected) total.failed += 1;
}

function run(script, args, env = {}) {
  return spawnSync(process.execPath, [path.join(root, script), ...args], {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, ...env },
  }).status;
}

function read(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
}
