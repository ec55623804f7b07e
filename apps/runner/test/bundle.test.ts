import { execFile, execFileSync, spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import { startTestPlatform } from "@fmlab/api/testing";
import { presetConfig } from "@fmlab/experiment";
import { experiments, getExperiment } from "@fmlab/registry";
import { beforeAll, describe, expect, it } from "vitest";
import { type MadeBundle, makeBundle } from "../bundle/bundle.ts";
import { repositoryRoot } from "../src/repository.ts";
import { codeFacts } from "../src/reproduction/code-facts.ts";
import { readRunFolder } from "../src/sink/run-folder-reader.ts";
import { fmlabBin, temporaryFolder } from "./fixtures/command.ts";
import { TERMINAL } from "./fixtures/lab.ts";

const SHORT = { maxTokens: 6, prompts: ["Once there was a lamp"] };
const RUN = [
  ...["exec", "moe-offload.decode", "--preset", "quick", "--seed", "1", "--quiet"],
  ...Object.entries(SHORT).flatMap(([key, value]) => ["--set", `${key}=${JSON.stringify(value)}`]),
];
const elsewhere = temporaryFolder();
const out = join(elsewhere, "bundle");
let made: MadeBundle;

beforeAll(async () => {
  made = await makeBundle(repositoryRoot, {
    out,
    gpu: "none",
    architecture: undefined,
    llama: false,
    node: false,
    model: true,
    cacheFolder: temporaryFolder(),
  });
});

/** Nothing of this process's environment, and no program to be found. */
const BARE = { PATH: "/nonexistent" };

/** What the bundle's `fmlab` prints; a server of this process can answer it meanwhile. */
async function onBareMachine(args: string[], env: Record<string, string> = {}): Promise<string> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(out, "fmlab.mjs"), ...args],
    {
      cwd: elsewhere,
      env: { ...BARE, ...env } as unknown as NodeJS.ProcessEnv,
    },
  );
  return stdout;
}

describe("a bundle", () => {
  it("runs an experiment on a bare machine as the checkout does", async () => {
    const [bare, here] = [join(elsewhere, "bare"), join(elsewhere, "here")];
    await onBareMachine([...RUN, "--out", bare]);
    const env = { ...process.env, FMLAB_REGISTRY: "", FMLAB_EXTRA_EXPERIMENTS: "" };
    execFileSync(process.execPath, [fmlabBin, ...RUN, "--out", here], { env, stdio: "ignore" });
    const series = readdirSync(join(here, "series"));
    expect(readdirSync(join(bare, "series"))).toEqual(series);
    // The others hold times.
    for (const name of ["output", "expertLoads", "expertRouted"]) {
      const read = (folder: string) => readFileSync(join(folder, "series", `${name}.json`), "utf8");
      expect(read(bare)).toBe(read(here));
    }
    const { record } = await readRunFolder(bare);
    expect(record.state).toBe("SUCCEEDED");
    expect(record.code).toEqual(made.record.code);
  });

  it("does a server's runs as its agent, and uploads run folders to it", async () => {
    const platform = await startTestPlatform({ experiments });
    const token = { FMLAB_URL: platform.url, FMLAB_HOME: join(elsewhere, "home") };
    const args = [join(out, "fmlab.mjs"), "agent", "--name", "bare"];
    const env = { ...BARE, ...token, FMLAB_TOKEN: platform.agentToken };
    const agent = spawn(process.execPath, args, { cwd: elsewhere, env });
    const ended = new Promise<number | null>((resolve) => agent.once("close", resolve));
    const registered = new Promise<void>((resolve, reject) => {
      agent.stderr.on("data", (told: Buffer) => {
        if (told.includes("registered as")) resolve();
      });
      void ended.then((exitCode) => reject(new Error(`the agent ended: ${exitCode}`)));
    });
    try {
      await registered;
      const member = platform.as("member");
      const { runs } = await member.run.create.mutate({
        projectId: platform.projectId,
        kind: "moe-offload.decode",
        config: { ...presetConfig(getExperiment("moe-offload.decode"), "quick"), ...SHORT },
        seeds: [1],
      } as never);
      const runId = (runs as { id: string }[])[0]?.id ?? "";
      const read = () => member.run.get.query({ runId });
      let run = await read();
      for (; !TERMINAL.includes(run.state); run = await read()) await wait(50);
      expect([run.state, run.machineName, run.failureMessage]).toEqual(["SUCCEEDED", "bare", null]);
      const bare = join(elsewhere, "bare");
      const asCli = { ...token, FMLAB_TOKEN: platform.cliToken };
      const [synced] = JSON.parse(await onBareMachine(["sync", bare, "--json"], asCli));
      const { attempts } = await member.run.get.query({ runId: synced.runId });
      expect(attempts[0]?.reproduction?.code).toEqual(made.record.code);
    } finally {
      agent.kill("SIGTERM");
      await ended;
      await platform.stop();
    }
  });

  it("names the commit it was made from", async () => {
    const { fmlabVersion, gitCommit, lockfileSha256 } = await codeFacts(repositoryRoot);
    expect(made.record.code).toMatchObject({ fmlabVersion, gitCommit, lockfileSha256 });
  });

  /** Where entries of threads and processes lie beside the command line's own. */
  const FOLDERS = [
    "packages/moe-offload/src",
    "packages/cnc-brain/src",
    "packages/cnc-brain/functions",
    "packages/shard-chain/src",
  ];

  it("holds every thread's and child's entry that the sources have", () => {
    const tracked = execFileSync(
      "git",
      ["ls-files", "-co", "--exclude-standard", "apps/runner/src", ...FOLDERS],
      { cwd: repositoryRoot, encoding: "utf8" },
    );
    const entries = tracked.split("\n").filter((name) => name.endsWith(".mjs"));
    expect(entries.length).toBeGreaterThan(5);
    const bundled = Object.values(made.entries).map((path) =>
      path.slice(repositoryRoot.length + 1),
    );
    expect(bundled.sort()).toEqual(entries.sort());
    const files = readdirSync(join(out, "js"));
    expect(files).toEqual(expect.arrayContaining(Object.keys(made.entries).map((n) => `${n}.mjs`)));
  });

  it("holds nothing of the server, the database or the dashboard", () => {
    const ours = made.inputs.filter((path) => /^(apps|packages)\//.test(path));
    expect(ours.length).toBeGreaterThan(100);
    expect(ours.filter((path) => /^(apps\/web|packages\/db)\//.test(path))).toEqual([]);
    const api = ours.filter((path) => path.startsWith("packages/api/"));
    expect(api.map((path) => basename(path))).toEqual(["plain-text.ts", "protocol.ts"]);
    expect(made.record.packages).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/^(next|react|pg|@prisma|better-auth|tsx)/)]),
    );
  });

  it("keeps what an operator put into it when it is made again", async () => {
    const again = join(elsewhere, "again");
    mkdirSync(join(again, ".data"), { recursive: true });
    writeFileSync(join(again, ".data", "local.json"), "{}");
    const options = { out: again, gpu: "none" as const, architecture: undefined, llama: false };
    const rest = { node: false, model: false, cacheFolder: temporaryFolder() };
    await expect(makeBundle(repositoryRoot, { ...options, ...rest })).rejects.toThrow(
      /holds something that is no bundle/,
    );
    writeFileSync(join(again, "bundle.json"), "{}");
    await makeBundle(repositoryRoot, { ...options, ...rest });
    expect(readdirSync(again)).toEqual(expect.arrayContaining([".data", "fmlab.mjs", "js"]));
  });

  it("leaves an earlier one as it was when it cannot be made", async () => {
    const before = readdirSync(out, { recursive: true });
    const attempt = makeBundle(repositoryRoot, {
      ...{ out, gpu: "none", architecture: undefined, llama: false, node: false, model: false },
      cacheFolder: temporaryFolder(),
      benches: [join(elsewhere, "missing.bench.ts")],
    });
    await expect(attempt).rejects.toThrow(/missing\.bench\.ts/);
    expect(readdirSync(out, { recursive: true })).toEqual(before);
    expect(readdirSync(elsewhere).filter((name) => name.startsWith(".fmlab"))).toEqual([]);
  });
});
