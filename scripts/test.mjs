#!/usr/bin/env node
// `npm test`: unit, database, fault and browser tests. The last line of the output is
// `N passed, N failed`. Browser tests need a chromium (CHROMIUM or a usual path); without one they
// are skipped with a message, or fail the run with --require-browser.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { generateClient } from "./prepare.mjs";
import { buildWeb } from "./start/build.mjs";

const root = path.resolve(import.meta.dirname, "..");
const { values: flags } = parseArgs({
  options: { "require-browser": { type: "boolean", default: false } },
});
const scratch = mkdtempSync(path.join(os.tmpdir(), "fmlab-test-"));
const total = { passed: 0, failed: 0 };

await generateClient();
// What the second half starts is built beside the first.
const built = buildWeb({ root, env: { NODE_ENV: "production" } });
built.catch(() => undefined); // Told below, when the first half is through.
await runVitest(["--project", "!product"]);
await built;
// Fault tests of the whole product mostly wait for leases and restarts: browser tests fill the
// time.
const [faultTests] = await Promise.all([
  runVitest(["--project", "product"], { quiet: true }),
  runPlaywright(),
]);
process.stdout.write(faultTests);
rmSync(scratch, { recursive: true, force: true });
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;

/** Resolves with the output when it is quiet. */
async function runVitest(choice, { quiet = false } = {}) {
  const report = path.join(scratch, `vitest${quiet ? "-quiet" : ""}.json`);
  const { status, output } = await run(
    "node_modules/vitest/vitest.mjs",
    ["run", ...choice, "--reporter=default", "--reporter=json", `--outputFile.json=${report}`],
    { quiet },
  );
  const result = read(report);
  total.passed += result?.numPassedTests ?? 0;
  total.failed += result?.numFailedTests ?? 0;
  // A file that does not load, or an unhandled error, fails no test of its own: it counts as one.
  if (status !== 0 && !result?.numFailedTests) total.failed += 1;
  return output;
}

async function runPlaywright() {
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
  const { status } = await run(
    "node_modules/@playwright/test/cli.js",
    ["test", "--reporter=list,json"],
    { env: { CHROMIUM: chromium, PLAYWRIGHT_JSON_OUTPUT_NAME: report } },
  );
  const stats = read(report)?.stats;
  total.passed += (stats?.expected ?? 0) + (stats?.flaky ?? 0);
  total.failed += stats?.unexpected ?? 0;
  if (status !== 0 && !stats?.unexpected) total.failed += 1;
}

function run(script, args, { env = {}, quiet = false }) {
  const child = spawn(process.execPath, [path.join(root, script), ...args], {
    cwd: root,
    stdio: quiet ? ["ignore", "pipe", "pipe"] : "inherit",
    env: { ...process.env, ...env },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk) => {
      output += chunk;
    });
  }
  return new Promise((resolve) => child.on("close", (status) => resolve({ status, output })));
}

function read(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
}
