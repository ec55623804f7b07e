/**
 * A file of the largest size that a run may keep (256 MiB): uploaded with `fmlab sync`, downloaded
 * again and compared by hash, while the web server's memory is watched. One byte more must be
 * refused.
 *
 *     node --import tsx tooling/bench/artifact.bench.ts [--json]
 */
import { execFile } from "node:child_process";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs, promisify } from "node:util";
import { LIMITS } from "@fmlab/experiment";
import { Product, ROOT } from "../product/product.ts";

const MIB = 1_048_576;
/** The server may hold a few pieces of a file, never the file. */
const GROWTH_LIMIT_MIB = 64;

const { values } = parseArgs({ options: { json: { type: "boolean", default: false } } });
const product = new Product();
await product.start();
try {
  await measure();
} finally {
  await product.dispose();
}

async function measure(): Promise<void> {
  const bytes = Buffer.concat([randomBytes(MIB), Buffer.alloc(LIMITS.artifactBytes - MIB, 7)]);
  const hash = sha256(bytes);
  // The first upload fills the collector's young and old space, once: some 200 MiB.
  await upload(bytes);
  const beforeMiB = residentMiB();
  let peakMiB = beforeMiB;
  const watch = setInterval(() => {
    peakMiB = Math.max(peakMiB, residentMiB());
  }, 50);
  let upSeconds: number;
  let downSeconds: number;
  let got = "";
  try {
    upSeconds = await timed(() => upload(bytes));
    const url = await uploadedFile();
    downSeconds = await timed(async () => {
      got = await hashOf(url);
    });
  } finally {
    clearInterval(watch);
  }
  if (got !== hash) throw new Error(`the download's hash is ${got}, the upload's ${hash}`);
  const refusal = await upload(Buffer.concat([bytes, Buffer.from([1])])).then(
    () => "",
    (error: Error) => error.message,
  );
  if (!refusal.includes("256")) throw new Error(`one byte more was not refused: ${refusal}`);
  const ours = peakMiB - beforeMiB;
  const megabytes = bytes.length / 1e6;
  const result = {
    name: "artifact",
    ours,
    peer: GROWTH_LIMIT_MIB,
    ratio: ours / GROWTH_LIMIT_MIB,
    unit: "MiB of the web server's memory",
    uploadMBps: megabytes / upSeconds,
    downloadMBps: megabytes / downSeconds,
  };
  process.stdout.write(
    values.json
      ? `${JSON.stringify(result)}\n`
      : `artifact of ${bytes.length / MIB} MiB: up ${result.uploadMBps.toFixed(0)} MB/s, down ` +
          `${result.downloadMBps.toFixed(0)} MB/s; the server grew by ${ours.toFixed(0)} MiB ` +
          `(bar ${GROWTH_LIMIT_MIB}); one byte more is refused\n`,
  );
}

/** Resident memory of the web server's process. */
function residentMiB(): number {
  const status = readFileSync(`/proc/${product.pidOf("web")}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return (performance.now() - startedAt) / 1e3;
}

/** Uploads a committed run under a new id, with the file beside it. */
async function upload(bytes: Buffer): Promise<void> {
  const folder = path.join(product.home, "big-run");
  rmSync(folder, { recursive: true, force: true });
  cpSync(path.join(ROOT, "experiments/quick-1"), folder, { recursive: true });
  const record = JSON.parse(readFileSync(path.join(folder, "run.json"), "utf8"));
  writeFileSync(
    path.join(folder, "run.json"),
    JSON.stringify({ ...record, runId: randomUUID(), finishedAt: new Date().toISOString() }),
  );
  mkdirSync(path.join(folder, "artifacts"), { recursive: true });
  writeFileSync(path.join(folder, "artifacts/big.bin"), bytes);
  const bin = path.join(ROOT, "apps/runner/bin/fmlab.mjs");
  const env = { ...process.env, FMLAB_URL: product.url, FMLAB_TOKEN: product.local.cliToken };
  await promisify(execFile)(process.execPath, [bin, "sync", folder], { env });
}

async function uploadedFile(): Promise<string> {
  const { projectId } = product.local;
  const { rows } = await product.api.run.list.query({ projectId, limit: 50 });
  for (const { id: runId } of rows) {
    const found = await product.api.run.artifacts.query({ runId });
    const big = found.find(({ name }) => name === "big.bin");
    if (big) return `${product.url}/api/artifacts/${big.id}`;
  }
  throw new Error("the uploaded file is not listed");
}

async function hashOf(url: string): Promise<string> {
  const headers = { authorization: `Bearer ${product.local.cliToken}` };
  const response = await fetch(url, { headers });
  if (!response.ok || response.body === null) throw new Error(`GET ${url}: ${response.status}`);
  const hash = createHash("sha256");
  for await (const chunk of response.body) hash.update(chunk);
  return hash.digest("hex");
}
