import { type APIRequestContext, test as base, expect, type Page } from "@playwright/test";

export const KIND = "moe-offload.decode";

/** The demo user's place in a fresh installation. */
export interface Lab {
  projectId: string;
  organizationId: string;
  /** Calls a tRPC procedure as the signed-in user. */
  query: <T>(path: string, input: object) => Promise<T>;
  mutate: <T>(path: string, input: object) => Promise<T>;
}

interface Project {
  id: string;
  name: string;
  organizationId: string;
}

/**
 * Tests that begin signed in as the demo user, and end without an error in the browser's console.
 */
export const test = base.extend<{ lab: Lab; quietConsole: undefined }>({
  quietConsole: [
    async ({ page }, use) => {
      const errors: string[] = [];
      page.on("pageerror", (error) => errors.push(error.message));
      page.on("console", (message) => {
        // Requests that a test breaks on purpose are told by the browser itself.
        const own = !message.text().startsWith("Failed to load resource");
        if (message.type() === "error" && own) errors.push(message.text());
      });
      await use(undefined);
      expect(errors, "errors in the browser's console").toEqual([]);
    },
    { auto: true },
  ],
  lab: async ({ page, baseURL }, use) => {
    const headers = { origin: String(baseURL) };
    const signedIn = await page.request.post("/api/demo", { headers, data: {} });
    expect(signedIn.ok(), await signedIn.text()).toBe(true);
    await use(await openLab(page.request, headers));
  },
});

async function openLab(request: APIRequestContext, headers: { origin: string }): Promise<Lab> {
  const read = async <T>(path: string, response: Awaited<ReturnType<typeof request.get>>) => {
    const body = await response.text();
    expect(response.ok(), `${path}: ${body}`).toBe(true);
    return (JSON.parse(body) as { result: { data: { json: T } } }).result.data.json;
  };
  const query = async <T>(path: string, input: object) => {
    const params = { input: JSON.stringify({ json: input }) };
    return read<T>(path, await request.get(`/api/trpc/${path}`, { headers, params }));
  };
  const mutate = async <T>(path: string, input: object) =>
    read<T>(path, await request.post(`/api/trpc/${path}`, { headers, data: { json: input } }));
  const projects = await query<Project[]>("project.list", {});
  const project = projects.find(({ name }) => name === "Getting started");
  if (project === undefined) throw new Error("the seed made no project “Getting started”");
  return { projectId: project.id, organizationId: project.organizationId, query, mutate };
}

/** Launches runs through the API and returns their ids. */
export async function launch(lab: Lab, config: object, seeds = [0]): Promise<string[]> {
  const { projectId } = lab;
  const launched = await lab.mutate<{ runs: { id: string }[] }>("run.create", {
    projectId,
    kind: KIND,
    seeds,
    ...config,
  });
  return launched.runs.map(({ id }) => id);
}

/** Stores a run done elsewhere, with these pictures, as `fmlab sync` does; returns its id. */
export async function importRun(lab: Lab, series: [name: string, data: object][]): Promise<string> {
  const now = new Date().toISOString();
  const machine = {
    cpuModel: "none",
    cpuCount: 1,
    memoryBytes: 1,
    platform: "linux",
    arch: "x64",
    kernel: "none",
    nodeVersion: "none",
    gpus: [],
  };
  const code = {
    fmlabVersion: "0",
    gitCommit: null,
    dirty: null,
    diffSha256: null,
    lockfileSha256: null,
  };
  const { runId } = await lab.mutate<{ runId: string }>("sync.import", {
    projectId: lab.projectId,
    record: {
      format: 1,
      runId: crypto.randomUUID(),
      kind: KIND,
      definitionVersion: 1,
      preset: null,
      config: {},
      seed: 0,
      fidelity: "simulated",
      state: "SUCCEEDED",
      failure: null,
      startedAt: now,
      finishedAt: now,
      machine,
      code,
      inputs: [],
      notes: {},
    },
    summary: null,
    series: series.map(([name, data]) => ({ name, version: 1, data })),
  });
  return runId;
}

let furnished: Promise<string> | undefined;

/** The id of a run that has succeeded, beside a config with two revisions; made once a worker. */
export function finishedRun(lab: Lab): Promise<string> {
  furnished ??= furnish(lab);
  return furnished;
}

async function furnish(lab: Lab): Promise<string> {
  for (const maxTokens of [16, 32]) {
    const config = { maxTokens };
    const { projectId } = lab;
    await lab.mutate("config.save", { projectId, kind: KIND, name: "short", config });
  }
  const [runId = ""] = await launch(lab, { preset: "quick" });
  await expect
    .poll(async () => (await lab.query<{ state: string }>("run.get", { runId })).state, {
      timeout: 60_000,
    })
    .toBe("SUCCEEDED");
  return runId;
}

/** Waits until nothing on the page is loading any more. */
export async function settled(page: Page): Promise<void> {
  await expect(page.locator("[role=status][aria-label^=Loading]")).toHaveCount(0);
}

export { expect };
