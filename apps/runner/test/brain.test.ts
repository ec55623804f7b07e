import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fmlabHere, startFmlab, temporaryFolder } from "./fixtures/command.ts";

function clusterFile(document: unknown): string {
  const path = join(temporaryFolder(), "cluster.json");
  writeFileSync(path, JSON.stringify(document));
  return path;
}

const cluster = {
  nodes: [{ name: "only", cores: 2, memoryMb: 1000 }],
  functions: [{ name: "resize" }],
};

describe("fmlab brain", () => {
  it("serves decisions until it is stopped, and keeps the log that it was given", async () => {
    const audit = join(temporaryFolder(), "audit.jsonl");
    const args = ["brain", "serve", clusterFile(cluster), "--port", "0", "--audit", audit];
    const server = startFmlab(args);
    let told = "";
    server.process.stderr?.on("data", (chunk: Buffer) => {
      told += chunk.toString();
    });
    await server.shown("decisions at http://");
    const address = /http:\S+/.exec(told)?.[0] ?? "";
    const body = JSON.stringify({ function: "resize", label: "first" });
    const response = await fetch(`${address}/v1/decisions`, { method: "POST", body });
    expect(await response.json()).toMatchObject({ result: "placed", nodes: ["only"] });
    server.process.kill("SIGTERM");
    expect((await server.finished).exitCode).toBe(0);
    const entries = readFileSync(audit, "utf8").trim().split("\n");
    expect(JSON.parse(entries.at(-1) ?? "")).toMatchObject({
      kind: "placed",
      record: { label: "first", node: "only" },
    });
  });

  it.each([
    ["a policy that is not there", ["serve", clusterFile(cluster), "--policy", "best"], "best"],
    ["a cluster without nodes", ["serve", clusterFile({ nodes: [], functions: [] })], "nodes"],
    ["an open door", ["openfaas", "--host", "0.0.0.0"], "--password-file"],
    ["no cluster", ["kube-scheduler", "--kubeconfig", "/nowhere"], "kube"],
  ])("ends with 2 for %s", async (_, args, said) => {
    const { exitCode, stderr } = await fmlabHere(["brain", ...args]);
    expect(exitCode).toBe(2);
    expect(stderr.toLowerCase()).toContain(said);
  });
});
