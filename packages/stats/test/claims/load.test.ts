import { mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadClaims, loadRunFolders, parseClaim } from "../../src/index.ts";
import { emptyFolder, writeRun } from "../fixtures/run-folder.ts";

let root: string;
beforeEach(async () => {
  root = await emptyFolder();
});
afterEach(() => rm(root, { recursive: true }));

describe("loadRunFolders", () => {
  it("finds run folders at any depth, in order of path, and looks into none of them", async () => {
    await writeRun(root, "b/2", { summary: {} });
    await writeRun(root, "a", { summary: {} });
    await writeRun(root, "a/artifacts/copy", { summary: {} });
    await mkdir(path.join(root, "empty"));
    const folders = await loadRunFolders(root);
    expect(folders.map((run) => run.folder)).toEqual(["a", "b/2"]);
    expect((await loadRunFolders(path.join(root, "a"))).map((run) => run.folder)).toEqual(["."]);
  });

  it("takes a failed run without a summary, and no succeeded one", async () => {
    await writeRun(root, "failed", { record: { state: "FAILED" } });
    expect((await loadRunFolders(root)).map((run) => run.summary)).toEqual([{}]);
    await writeRun(root, "lost-summary");
    await expect(loadRunFolders(root)).rejects.toThrowError(
      /run folder lost-summary: summary\.json cannot be read/,
    );
  });

  it.each<[string, string, RegExp]>([
    ["{", "run.json", /run folder bad: run\.json cannot be read \(.*JSON/],
    ["{}", "run.json", /run folder bad: run\.json: format: /],
    ["[1]", "summary.json", /run folder bad: summary\.json must hold an object/],
  ])("refuses %s as %s, naming the folder", async (text, name, message) => {
    await writeRun(root, "bad", { summary: {} });
    await writeFile(path.join(root, "bad", name), text);
    await expect(loadRunFolders(root)).rejects.toThrowError(message);
  });

  it("names the line of metrics.jsonl that is broken", async () => {
    await writeRun(root, "run", { summary: {}, points: [["a", 1]] });
    await writeFile(path.join(root, "run", "metrics.jsonl"), '\n{"key":"a"}\n');
    const [run] = await loadRunFolders(root);
    await expect(run?.metricValues("a")).rejects.toThrowError(
      /run folder run: metrics\.jsonl line 2/,
    );
  });

  it("says so when there is no such folder", async () => {
    await expect(loadRunFolders(path.join(root, "nowhere"))).rejects.toMatchObject({
      code: "BAD_RUN_FOLDER",
    });
  });
});

describe("loadClaims", () => {
  it("reads claim files in order of name and nothing else", async () => {
    const claim = {
      format: 1,
      title: "T",
      statement: "S",
      source: { paper: "this project", section: "README" },
      provenance: "ours",
      runs: { kind: "a.b", groups: { all: { config: {} } } },
      measure: { of: "value", group: "all", quantity: { summary: "x" } },
      expected: { atLeast: 0 },
    };
    await writeFile(path.join(root, "b.json"), JSON.stringify(claim));
    await writeFile(path.join(root, "a.json"), JSON.stringify(claim));
    await writeFile(path.join(root, "README.md"), "# Claims");
    const claims = await loadClaims(root);
    expect(claims.map((named) => named.slug)).toEqual(["a", "b"]);
    expect(claims[0]?.claim.runs.seedsMin).toBe(3);
  });

  it("names the file and every wrong field", () => {
    expect(() => parseClaim("x.json", '{"format":1}')).toThrowError(
      /^claim x\.json: title: .*; statement: .*; source: .*; provenance: /,
    );
    expect(() => parseClaim("x.json", "{,}")).toThrowError(/^claim x\.json: is not JSON/);
  });

  it("says so when there is no such folder", async () => {
    await expect(loadClaims(path.join(root, "nowhere"))).rejects.toMatchObject({
      code: "BAD_CLAIM",
    });
  });
});
