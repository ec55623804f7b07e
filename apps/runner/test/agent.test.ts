import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Job, LEASE } from "@fmlab/api/protocol";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { Agent, type AgentOptions, RENEW_RETRY_MS, RENEW_TIMEOUT_MS } from "../src/agent/agent.ts";
import { gone, temporaryFolder, testExperiments } from "./fixtures/command.ts";
import { ReferenceServer } from "./fixtures/reference-server.ts";

beforeAll(() => {
  process.env.FMLAB_REGISTRY = "none";
});

const job = (kind: string, config: object, more: Partial<Job> = {}) => ({
  kind,
  definitionVersion: 1,
  config: config as Record<string, unknown>,
  seed: 3,
  timeLimitSec: 60,
  ...more,
});
const counting = (config: object = {}, more: Partial<Job> = {}) =>
  job("runner-test.count", config, more);
const faulting = (how: string, more: Partial<Job> = {}) => job("runner-test.fault", { how }, more);

interface Working {
  server: ReferenceServer;
  agent: Agent;
  homeDir: string;
  modelsDir: string;
  told: string[];
  stop: () => Promise<void>;
}

const working: Working[] = [];

function startAgent(options: Partial<AgentOptions> = {}): Working {
  const server = new ReferenceServer();
  const homeDir = temporaryFolder();
  const modelsDir = join(homeDir, "models");
  mkdirSync(modelsDir);
  const told: string[] = [];
  const agent = new Agent({
    server,
    name: "test",
    concurrency: 1,
    folders: { modelsDir, dataDir: undefined, homeDir },
    modules: [testExperiments],
    cancelGraceMs: 300,
    shutdownGraceMs: 0,
    beatMs: 200,
    tell: (message) => told.push(message),
    ...options,
  });
  const controller = new AbortController();
  const over = agent.run(controller.signal);
  over.catch(() => undefined);
  const stop = async () => {
    controller.abort();
    await over;
  };
  const one = { server, agent, homeDir, modelsDir, told, stop };
  working.push(one);
  return one;
}

afterEach(async () => {
  for (const one of working.splice(0)) await one.stop();
});

async function ended(server: ReferenceServer, fence: { runId: string; attemptNumber: number }) {
  await server.until(() => server.attempt(fence).finish !== undefined);
  return server.attempt(fence);
}

describe("the agent", () => {
  it("runs what it claims and reports every point, line, picture and artifact once", async () => {
    const { server } = startAgent();
    const fence = server.launch(counting({ points: 2_500, layers: 1, artifactBytes: 100 }));
    const run = await ended(server, fence);
    expect(run.finish).toMatchObject({
      state: "SUCCEEDED",
      failure: null,
      fidelity: "simulated",
      summary: { count: 2_500, seed: 3 },
      reproduction: { notes: { directReads: false } },
    });
    const expected = Array.from({ length: 2_500 }, (_, i) => [i, i * 10 + 3]);
    expect(run.points("count")).toEqual(expected);
    expect(run.points("depth{layer=0}")).toHaveLength(2_500);
    expect(run.lines()[0]).toBe("counting to 2500");
    expect(run.lines()).toHaveLength(251);
    expect(run.series.get("curve")?.data).toMatchObject({ curves: [{ y: [3, null] }] });
    expect(run.artifacts.get("bytes.bin")).toEqual(Buffer.alloc(100, 3));
    expect(run.progress).toMatchObject({ done: 2_500, total: 2_500 });
  });

  it("shows the first point of a run within 1.5 s of its launch once it is warm", async () => {
    const { server } = startAgent();
    await server.until(() => server.registrations.length === 1);
    const began = performance.now();
    const fence = server.launch(counting({ points: 50, everyMs: 20 }));
    await server.until(() => server.attempt(fence).points("count").length > 0);
    expect(performance.now() - began).toBeLessThan(1_500);
    await ended(server, fence);
  });

  it("tells the server what the machine is and can, without its name or paths", async () => {
    const { server, modelsDir } = startAgent();
    await server.until(() => server.registrations.length === 1);
    expect(server.registrations[0]).toMatchObject({
      protocolVersion: 1,
      definitions: { "runner-test.count": 1, "runner-test.fault": 1 },
      facts: { platform: process.platform, cpuCount: expect.any(Number) },
    });
    expect(JSON.stringify(server.registrations)).not.toContain(modelsDir);
  });

  it("loses and doubles nothing when half of all calls fail", async () => {
    const { server } = startAgent();
    let call = 0;
    server.fault = () => (["before", "none", "after", "none"] as const)[call++ % 4] ?? "none";
    const run = await ended(server, server.launch(counting({ points: 1_200 })));
    const expected = Array.from({ length: 1_200 }, (_, step) => [step, step * 10 + 3]);
    expect(run.points("count")).toEqual(expected);
  });

  it("goes on while the server is away and sends everything when it is back", async () => {
    const { server } = startAgent();
    const fence = server.launch(counting({ points: 60, everyMs: 20 }));
    await server.until(() => server.attempt(fence).points("count").length > 0);
    server.isAway = true;
    const calls = server.calls;
    await server.until(() => server.calls > calls + 3);
    server.isAway = false;
    const run = await ended(server, fence);
    expect(run.finish?.state).toBe("SUCCEEDED");
    expect(run.points("count").map(([step]) => step)).toEqual(
      Array.from({ length: 60 }, (_, i) => i),
    );
  });

  it("runs as many at a time as it is told", async () => {
    const { server } = startAgent({ concurrency: 2 });
    const fences = [1, 2].map((seed) => server.launch(faulting("polite", { seed })));
    const attempts = fences.map((fence) => server.attempt(fence));
    await server.until(() => attempts.every((one) => one.lines().length > 0));
    for (const one of attempts) one.order = "cancel";
    for (const fence of fences) await ended(server, fence);
  });

  it("leaves nothing in its scratch folder", async () => {
    const { server, homeDir, stop } = startAgent();
    await ended(server, server.launch(counting({ artifactBytes: 10 })));
    await stop();
    expect(readdirSync(join(homeDir, "scratch"))).toEqual([]);
  });
});

describe("the agent's leases", () => {
  it("are renewed at once when a renewal is never answered", async () => {
    const { server } = startAgent({ beatMs: 400, renewTimeoutMs: 50 });
    await server.until(() => server.renewedMs.length === 1);
    server.hungRenewals = 2;
    await server.until(() => server.renewedMs.length === 5);
    const [, hung = 0, again = 0, answered = 0] = server.renewedMs;
    // Each would come a whole beat after its timeout if failures were treated as beats.
    expect(again - hung).toBeLessThan(400);
    expect(answered - again).toBeLessThan(400);
    expect(server.hungRenewals).toBe(0);
  });

  it("outlast two renewals in a row that are never answered", () => {
    const attemptsMs = 2 * (RENEW_TIMEOUT_MS + RENEW_RETRY_MS) + RENEW_TIMEOUT_MS;
    expect(LEASE.beatMs + attemptsMs).toBeLessThan(LEASE.lapseMs);
  });

  it("keep a run going whose renewals hang", async () => {
    const { server, stop } = startAgent({ renewTimeoutMs: 50 });
    server.hungRenewals = 1_000;
    const run = await ended(server, server.launch(counting({ points: 30, everyMs: 20 })));
    expect(run.finish?.state).toBe("SUCCEEDED");
    const began = performance.now();
    await stop();
    expect(performance.now() - began).toBeLessThan(RENEW_TIMEOUT_MS);
  });
});

describe("the agent, when a run goes wrong", () => {
  it.each([
    ["throw", "FAILED", "EXPERIMENT_ERROR"],
    ["sigkill", "FAILED", "KILLED_BY_SIGNAL"],
  ])("tells %s as %s, %s", async (how, state, code) => {
    const { server } = startAgent();
    const run = await ended(server, server.launch(faulting(how)));
    expect(run.finish?.state).toBe(state);
    expect(run.finish?.failure?.code).toBe(code);
    expect(run.points("count")).toEqual([[0, 1]]);
  });

  it("refuses a wrong config, another version and an unknown experiment", async () => {
    const { server } = startAgent();
    const wrong: [string, ReturnType<typeof job>][] = [
      ["BAD_CONFIG", counting({ points: -1 })],
      ["VERSION_MISMATCH", counting({}, { definitionVersion: 9 })],
      ["VERSION_MISMATCH", job("runner-test.gone", {})],
    ];
    for (const [code, what] of wrong) {
      const run = await ended(server, server.launch(what));
      expect(run.finish?.state).toBe("FAILED");
      expect(run.finish?.failure?.code).toBe(code);
    }
  });

  it("reads files only inside its folders", async () => {
    const { server, modelsDir, homeDir } = startAgent();
    writeFileSync(join(homeDir, "secret"), "s");
    writeFileSync(join(modelsDir, "good"), "g");
    symlinkSync(join(homeDir, "secret"), join(modelsDir, "leak"));
    const codeFor = async (file: string) => {
      const run = await ended(server, server.launch(counting({ file })));
      return (
        run.finish?.failure?.code ?? run.finish?.reproduction.inputs.map((one) => one.path).join()
      );
    };
    expect(await codeFor("good")).toBe("good");
    expect(await codeFor("leak")).toBe("BAD_CONFIG");
    expect(await codeFor("../secret")).toBe("BAD_CONFIG");
    expect(await codeFor(join(homeDir, "secret"))).toBe("BAD_CONFIG");
    expect(await codeFor("needed.bin")).toBe("MISSING_FILE");
  });

  it("gives a run that is cancelled time to stop, and its summary is kept", async () => {
    const { server } = startAgent();
    const fence = server.launch(faulting("polite"));
    await server.until(() => server.attempt(fence).lines().length > 0);
    server.attempt(fence).order = "cancel";
    const run = await ended(server, fence);
    expect(run.finish).toMatchObject({ state: "CANCELLED", summary: { count: 41 } });
  });

  it.each(["deaf", "busy"])("kills a cancelled run that does not stop (%s)", async (how) => {
    const { server } = startAgent();
    const fence = server.launch(faulting(how));
    await server.until(() => server.attempt(fence).lines().length > 0);
    server.attempt(fence).order = "cancel";
    const run = await ended(server, fence);
    expect(run.finish?.state).toBe("CANCELLED");
    await gone(Number(run.lines()[0]?.split(" ")[1]));
  });

  it("ends a run at its time limit", async () => {
    const { server } = startAgent();
    const run = await ended(server, server.launch(faulting("busy", { timeLimitSec: 1 })));
    expect(run.finish).toMatchObject({ state: "TIMED_OUT", failure: { code: "TIMED_OUT" } });
  });

  it("kills a run that is no longer its own and says nothing more of it", async () => {
    const { server, told } = startAgent();
    const fence = server.launch(faulting("busy"));
    await server.until(() => server.attempt(fence).lines().length > 0);
    server.attempt(fence).order = "stop";
    const pid = Number(server.attempt(fence).lines()[0]?.split(" ")[1]);
    await gone(pid);
    const next = server.launch(counting());
    await ended(server, next);
    expect(server.attempt(fence).finish).toBeUndefined();
    expect(told.join()).toContain("no longer ours");
  });

  it("hands its runs back as lost when it is stopped", async () => {
    const { server, stop, homeDir } = startAgent();
    const fence = server.launch(faulting("polite"));
    await server.until(() => server.attempt(fence).lines().length > 0);
    await stop();
    expect(server.attempt(fence).finish).toMatchObject({
      state: "FAILED",
      failure: { code: "HOST_LOST" },
    });
    expect(existsSync(join(homeDir, "scratch", String(process.pid)))).toBe(false);
  });
});
