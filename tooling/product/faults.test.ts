import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort } from "../../packages/db/src/embedded.mjs";
import { Product, waitFor } from "./product.ts";

/** Decode steps of one run; slow enough to be hit in the middle, about 5 s. */
const TOKENS = 120;
const RECOVERY_MS = 30_000;
const product = new Product();

beforeAll(() => product.start(), 150_000);
afterAll(() => product.dispose(), 60_000);

describe("a real run survives kill -9", () => {
  it("of the runner: a second attempt does it again from the start, once", async () => {
    const runId = await launch();
    await inTheMiddle(runId);
    process.kill(product.pidOf("runner"), "SIGKILL");
    const recoveredMs = await waitFor(
      async () => (await get(runId)).attempts.some((a) => a.number === 2 && a.state === "RUNNING"),
      RECOVERY_MS,
      "a second attempt",
      () => product.output,
    );
    expect(recoveredMs).toBeLessThan(RECOVERY_MS);
    const run = await finished(runId);
    expect(run.attempts.map((attempt) => attempt.state).sort()).toEqual(["LOST", "SUCCEEDED"]);
    await expectEveryPointOnce(runId);
  }, 120_000);

  it("of the web server: the same attempt goes on, and nothing is lost", async () => {
    const runId = await launch();
    await inTheMiddle(runId);
    process.kill(product.pidOf("web"), "SIGKILL");
    await answers();
    const run = await finished(runId);
    expect(run.attempts.map((attempt) => attempt.state)).toEqual(["SUCCEEDED"]);
    await expectEveryPointOnce(runId);
  }, 120_000);

  it("of Postgres: the same attempt goes on, and nothing is lost", async () => {
    const runId = await launch();
    await inTheMiddle(runId);
    process.kill(product.pidOf("postgres"), "SIGKILL");
    await waitFor(
      async () => (await stateOf(runId)) !== undefined,
      RECOVERY_MS,
      "the database",
      () => product.output,
    );
    const run = await finished(runId);
    expect(run.attempts.map((attempt) => attempt.state)).toEqual(["SUCCEEDED"]);
    await expectEveryPointOnce(runId);
  }, 120_000);

  it("of the start script: its parts end, and the next start finishes the run", async () => {
    const runId = await launch();
    await inTheMiddle(runId);
    const parts = [product.pidOf("web"), product.pidOf("runner")];
    await product.interrupt("SIGKILL");
    await waitFor(() => !parts.some(isAlive), 10_000, "web server and runner to end");
    await product.start();
    expect(product.output).toContain("Postgres taken over");
    const run = await finished(runId);
    expect(run.state).toBe("SUCCEEDED");
    expect(run.attempts.filter((attempt) => attempt.state === "SUCCEEDED")).toHaveLength(1);
    await expectEveryPointOnce(runId);
  }, 180_000);
});

describe("npm start", () => {
  it("says so when the port is taken, and leaves the other one alone", async () => {
    const other = new Product();
    const { ended } = other.spawn({ PORT: String(product.port) });
    expect(await ended).toBe(1);
    expect(other.output).toMatch(/port \d+ on 127\.0\.0\.1 is taken by another program/);
    expect((await fetch(product.url)).status).toBe(200);
    await other.dispose();
  }, 60_000);

  it("says so when it runs already on the same state, and leaves that alone", async () => {
    const other = new Product();
    const port = String(await freePort());
    const { ended } = other.spawn({ PORT: port, FMLAB_HOME: product.home });
    expect(await ended).toBe(1);
    expect(other.output).toMatch(/fmlab runs already with the state in .* \(process \d+\)/);
    expect((await fetch(product.url)).status).toBe(200);
    await other.dispose();
  }, 60_000);

  it("answers 200 at / without a session", async () => {
    const response = await fetch(`${product.url}/`);
    expect(response.status).toBe(200);
    expect(await response.text()).toContain("fmlab");
  });

  it("gives a run back on Ctrl-C, and the next start finishes it", async () => {
    const runId = await launch();
    await inTheMiddle(runId);
    expect(await product.interrupt("SIGINT")).toBe(0);
    await product.start();
    const [first] = (await get(runId)).attempts;
    // Handed back, so FAILED; what nobody told the server would be RUNNING still, and LOST later.
    expect([first?.state, first?.failure?.code]).toEqual(["FAILED", "HOST_LOST"]);
    const run = await finished(runId);
    expect(run.attempts).toHaveLength(2);
    await expectEveryPointOnce(runId);
  }, 120_000);

  it("stops cleanly on Ctrl-C: exit code 0 and no process left", async () => {
    const parts = [product.pidOf("web"), product.pidOf("runner"), product.pidOf("postgres")];
    expect(await product.interrupt("SIGINT")).toBe(0);
    expect(parts.filter(isAlive)).toEqual([]);
  }, 60_000);
});

async function launch(): Promise<string> {
  const { runs } = await product.api.run.create.mutate({
    projectId: product.local.projectId,
    kind: "moe-offload.decode",
    config: {
      prompts: ["On the last day of autumn the old ferryman"],
      maxTokens: TOKENS,
      policy: "on-demand",
      ignoreEnd: true,
      link: { bandwidthMBps: 100 },
    },
    seeds: [7],
  });
  return runs[0]?.id ?? "";
}

const get = (runId: string) => product.api.run.get.query({ runId });

/** Undefined while the server is away. */
async function stateOf(runId: string): Promise<string | undefined> {
  try {
    return (await get(runId)).state;
  } catch {
    return undefined;
  }
}

/** Waits until points of the run have reached the server. */
async function inTheMiddle(runId: string): Promise<void> {
  const some = async () => (await points(runId)).length > 20;
  await waitFor(some, 60_000, "first points", () => product.output);
  expect((await get(runId)).state).toBe("RUNNING");
}

async function finished(runId: string) {
  const done = async () => (await stateOf(runId)) === "SUCCEEDED";
  await waitFor(done, 90_000, "the run to succeed", () => product.output);
  return get(runId);
}

async function points(runId: string): Promise<{ x: number }[]> {
  const curves = await product.api.run.metrics.query({ runId, keys: ["tokenMs"], buckets: 1000 });
  return curves[0]?.points ?? [];
}

async function expectEveryPointOnce(runId: string): Promise<void> {
  const steps = (await points(runId)).map((point) => point.x);
  expect(new Set(steps).size).toBe(steps.length);
  // The first token comes from the prompt, so one decode step fewer than tokens.
  expect(steps).toHaveLength(TOKENS - 1);
}

async function answers(): Promise<void> {
  const up = () =>
    fetch(`${product.url}/api/health`).then(
      (response) => response.ok,
      () => false,
    );
  await waitFor(up, RECOVERY_MS, "the web server", () => product.output);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
