import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { defineConfig } from "@playwright/test";

// The tests run against the whole product as `npm start` starts it, with a database and a folder of
// its own. BASE_URL names a server that runs already instead.
const given = process.env.BASE_URL;

// Workers load this file again: what was chosen once is handed on in the environment.
process.env.FMLAB_E2E_PORT ??= freePort();
process.env.FMLAB_E2E_PG_PORT ??= freePort();
process.env.FMLAB_E2E_HOME ??= given ? "" : makeHome();
const { FMLAB_E2E_PORT: port, FMLAB_E2E_PG_PORT: pgPort, FMLAB_E2E_HOME: home } = process.env;
const baseURL = given ?? `http://127.0.0.1:${port}`;

export default defineConfig({
  testDir: "./e2e",
  testMatch: "*.e2e.ts",
  globalTeardown: "./e2e/remove-home.ts",
  timeout: 90_000,
  expect: { timeout: 15_000 },
  workers: 2,
  forbidOnly: process.env.CI !== undefined,
  reporter: [["list"]],
  use: {
    baseURL,
    viewport: { width: 1280, height: 800 },
    screenshot: "only-on-failure",
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: [
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--disable-crash-reporter",
      ],
    },
  },
  projects: [{ name: "chromium" }],
  ...(given === undefined && {
    webServer: {
      command: "node scripts/start.mjs",
      env: {
        PORT: String(port),
        HOST: "127.0.0.1",
        FMLAB_HOME: String(home),
        FMLAB_DATA_DIR: path.join(String(home), "data"),
        FMLAB_PG_PORT: String(pgPort),
        DATABASE_URL: "",
        BASE_URL: "",
      },
      wait: { stdout: /ready in .* open http/ },
      timeout: 240_000,
      gracefulShutdown: { signal: "SIGTERM" as const, timeout: 30_000 },
      stdout: "ignore" as const,
      stderr: "pipe" as const,
    },
  }),
});

/** A folder for the product's state, with a data file whose long name a screen must bear. */
function makeHome(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), "fmlab-e2e-"));
  mkdirSync(path.join(folder, "data"));
  const name = "a-trace-of-requests-whose-name-tells-where-and-when-it-was-recorded.csv.gz";
  writeFileSync(path.join(folder, "data", name), "");
  return folder;
}

/** A port that nothing listens on. */
function freePort(): string {
  const script =
    "const s=require('net').createServer().listen(0,'127.0.0.1',()=>{" +
    "process.stdout.write(String(s.address().port));s.close()})";
  return execFileSync(process.execPath, ["-e", script], { encoding: "utf8" });
}
