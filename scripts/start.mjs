#!/usr/bin/env node
// `npm start`: everything on one machine. Top to bottom: check the port, start Postgres, migrate,
// seed, build the web application if its sources changed, start web server and runner, say ready,
// supervise.
import { existsSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { generateClient } from "./prepare.mjs";
import { buildWeb } from "./start/build.mjs";
import { startDatabase } from "./start/database.mjs";
import { ensureHome, loadSecrets } from "./start/home.mjs";
import { holdLock } from "./start/lock.mjs";
import { log, secondsSinceStart } from "./start/log.mjs";
import { migrate } from "./start/migrate.mjs";
import { assertPortFree, isLoopback, urlOf } from "./start/port.mjs";
import { killRunning, runOnce } from "./start/process.mjs";
import { Supervisor } from "./start/supervisor.mjs";

const root = path.resolve(import.meta.dirname, "..");
const { values: flags } = parseArgs({ options: { dev: { type: "boolean", default: false } } });
const host = process.env.HOST || "127.0.0.1";
const port = Number(process.env.PORT || 3000);
const home = ensureHome(process.env.FMLAB_HOME || path.join(root, ".data"));
const url = urlOf(host, port);
/** Where browsers reach the server: another address when a proxy stands before it. */
const publicUrl = process.env.FMLAB_URL || url;
const supervisor = new Supervisor();

let stopping;
const stop = (code) => {
  stopping ??= (async () => {
    log("stopping");
    killRunning();
    await supervisor.stop();
    log("stopped");
    process.exit(code);
  })();
  return stopping;
};
process.on("SIGINT", () => stop(0));
process.on("SIGTERM", () => stop(0));
process.on("SIGHUP", () => stop(0));

try {
  await main();
} catch (error) {
  if (!stopping) console.error(`\nfmlab could not start: ${error.message}\n`);
  if (!stopping && process.env.FMLAB_DEBUG) console.error(error);
  await stop(1);
}

async function main() {
  assertOnlyOne();
  await assertPortFree(host, port);
  const secrets = loadSecrets(home);
  await generateClient();
  const database = await startDatabase({ home, password: secrets.postgresPassword, supervisor });
  const env = {
    NODE_ENV: flags.dev ? "development" : "production",
    NEXT_TELEMETRY_DISABLED: "1",
    DATABASE_URL: database,
    AUTH_SECRET: process.env.AUTH_SECRET || secrets.authSecret,
    // The one-click demo user exists only where nobody else can reach it.
    FMLAB_LOCAL: isLoopback(host) && isLocalUrl(publicUrl) ? "1" : "",
    FMLAB_HOME: home,
    FMLAB_URL: url,
    // A token in the user's shell is for another server.
    FMLAB_TOKEN: undefined,
    HOST: host,
    PORT: String(port),
  };
  await migrate(root, database);
  const seeding = runOnce("seed", tsx("packages/api/src/seed-cli.ts"), { cwd: root, env });
  if (!flags.dev) await buildWeb({ root, env });
  startWeb(env);
  await seeding;
  const runnerReady = startRunner(env);
  await supervisor.healthy("web", `${url}/api/health`, 60_000);
  await runnerReady;
  log(`ready in ${secondsSinceStart()} s: open ${url}`);
  await syncHistory(env);
}

/** Two on one folder would stop each other's database. */
function assertOnlyOne() {
  const holder = holdLock(path.join(home, "start.lock"));
  if (holder === undefined) return;
  throw new Error(
    `fmlab runs already with the state in ${home} (process ${holder}). Stop it first, or give this ` +
      "one a folder of its own: FMLAB_HOME=/other/folder PORT=3001 npm start",
  );
}

function isLocalUrl(address) {
  if (URL.canParse(address)) return isLoopback(new URL(address).hostname.replace(/^\[|\]$/g, ""));
  throw new Error(`FMLAB_URL must be an address like https://lab.example.org, got "${address}"`);
}

function startWeb(env) {
  const next = path.join(root, "node_modules/next/dist/bin/next");
  supervisor.start("web", {
    args: [next, flags.dev ? "dev" : "start", "-p", String(port), "-H", host],
    cwd: path.join(root, "apps/web"),
    // Only the web server knows the public address; all else on this machine calls it directly.
    env: { ...env, FMLAB_URL: publicUrl },
  });
}

/**
 * Resolves when the agent has registered, or after 20 s with a warning: the page is useful without.
 */
function startRunner(env) {
  return new Promise((resolve) => {
    const late = setTimeout(() => {
      log("the runner has not registered yet: runs stay queued until it does");
      resolve();
    }, 20_000);
    supervisor.start("runner", {
      args: [path.join(root, "apps/runner/bin/fmlab.mjs"), "agent", "--shutdown-grace", "2"],
      cwd: root,
      env: { ...env, DATABASE_URL: "", AUTH_SECRET: "" },
      onMessage(message) {
        if (!message?.message?.startsWith("registered as")) return;
        clearTimeout(late);
        resolve();
      },
    });
  });
}

/** The run folders that come with the repository become history; each is uploaded once. */
async function syncHistory(env) {
  const folder = path.join(root, "experiments");
  if (!existsSync(folder)) return;
  const args = [path.join(root, "apps/runner/bin/fmlab.mjs"), "sync", folder];
  await runOnce("history", args, {
    cwd: root,
    env: { ...env, DATABASE_URL: "" },
    quiet: true,
  }).catch((error) => log(`history was not synced: ${error.message}`));
}

function tsx(script) {
  return ["--import", "tsx", path.join(root, script)];
}
