/**
 * How long a bundle takes on a bare machine from its start to the first token of the model that
 * comes with the repository. A bundle with its own Node and the model is made in a temporary
 * folder; there `fmlab exec` is started with an empty environment, no program on its path and,
 * where `unshare` may be used, no network. The clock runs from before the start until the run
 * folder's metrics hold the first token's time.
 *
 *     npm run bench -- bundle-start [--json] [--rounds N] [--preset P] [--cold]
 *
 * `--cold` drops the bundle's files from the page cache before each start.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";
import { makeBundle } from "../bundle/bundle.ts";
import { measureParts, sizeTable } from "../bundle/size-table.ts";
import { note, out } from "../src/cli/terminal.ts";
import { repositoryRoot } from "../src/repository.ts";

const LIMIT_S = 5;
/** The clock is read this often. */
const LOOK_MS = 5;
const FIRST_TOKEN = '"key":"timeToFirstTokenMs"';

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    rounds: { type: "string", default: "5" },
    preset: { type: "string", default: "quick" },
    cold: { type: "boolean", default: false },
  },
});

const folder = mkdtempSync(join(tmpdir(), "fmlab-bundle-start-"));
try {
  const bundle = join(folder, "bundle");
  await makeBundle(repositoryRoot, {
    out: bundle,
    gpu: "none",
    architecture: undefined,
    llama: false,
    node: true,
    model: true,
    cacheFolder: folder,
  });
  if (!values.json) out(sizeTable(measureParts(bundle)));
  const hasNetwork = spawnSync("unshare", ["-n", "true"]).status !== 0;
  const seconds: number[] = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    if (values.cold) dropFromPageCache(bundle);
    seconds.push(await secondsToFirstToken(bundle, join(folder, `run-${round}`), hasNetwork));
  }
  report(seconds, hasNetwork);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function dropFromPageCache(folder: string): void {
  for (const { name, parentPath } of readdirSync(folder, {
    recursive: true,
    withFileTypes: true,
  })) {
    const path = join(parentPath, name);
    if (!statSync(path).isFile()) continue;
    const flags = ["oflag=nocache", "conv=notrunc,fdatasync", "count=0", "status=none"];
    execFileSync("dd", [`of=${path}`, ...flags]);
  }
}

async function secondsToFirstToken(bundle: string, run: string, hasNetwork: boolean) {
  const exec = ["exec", "moe-offload.decode", "--preset", values.preset, "--seed", "1", "--quiet"];
  const program = [join(bundle, "fmlab"), ...exec, "--out", run];
  const [command = "", ...args] = hasNetwork ? program : ["unshare", "-n", "--", ...program];
  const shell = hasNetwork
    ? command
    : execFileSync("which", [command], { encoding: "utf8" }).trim();
  const startedAt = performance.now();
  const child = spawn(shell, args, { cwd: run.replace(/run-\d+$/, ""), env: {}, stdio: "ignore" });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  let exitCode: number | null | undefined;
  void ended.then((code) => (exitCode = code));
  const metrics = join(run, "metrics.jsonl");
  for (;;) {
    if (existsSync(metrics) && readFileSync(metrics, "utf8").includes(FIRST_TOKEN)) break;
    if (exitCode !== undefined) throw new Error(`the run ended (${exitCode}) without a token`);
    await wait(LOOK_MS);
  }
  const taken = (performance.now() - startedAt) / 1e3;
  if ((await ended) !== 0) throw new Error("the run failed after its first token");
  return taken;
}

function report(seconds: readonly number[], hasNetwork: boolean): void {
  const ours = Math.max(...seconds);
  const name = "bundle: start to first token";
  if (values.json) {
    const { cold, preset } = values;
    const limits = { peer: LIMIT_S, ratio: ours / LIMIT_S, unit: "s, slowest" };
    out(JSON.stringify({ name, ours, ...limits, seconds, preset, cold, hasNetwork }));
    return;
  }
  const all = seconds.map((one) => one.toFixed(2)).join(" ");
  if (hasNetwork) note("unshare is not permitted here: the runs could have used the network");
  const how = `${values.preset}${values.cold ? ", cold" : ""}`;
  out(`${name} (${how}): ${all} s; slowest ${ours.toFixed(2)} s, bar ${LIMIT_S} s`);
}
