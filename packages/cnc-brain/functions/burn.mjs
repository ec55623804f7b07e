// A function of the testbed: real CPU work over HTTP, one request at a time. `POST /` with
// {"workMs": 120, "cpuShare": 0.25} works as a container limited to a quarter of a core would: in
// periods of 10 ms it burns 2.5 ms of CPU time and rests for what is left, until 120 ms are over.
import { createHash } from "node:crypto";
import { createServer } from "node:http";

const PERIOD_MS = 10;
const rest = new Int32Array(new SharedArrayBuffer(4));
const block = Buffer.alloc(1024, 7);

/** Hashes until this process has used so much more CPU time. */
function burn(cpuMs) {
  const before = process.cpuUsage();
  let rounds = 0;
  for (;;) {
    for (let i = 0; i < 8; i++) createHash("sha256").update(block).digest();
    rounds += 8;
    const { user, system } = process.cpuUsage(before);
    if (user + system >= cpuMs * 1000) return rounds;
  }
}

/** Works for so long; deadlines are absolute, so that a late period is followed by a short rest. */
function work(workMs, cpuShare) {
  const start = performance.now();
  let rounds = 0;
  for (let doneMs = 0; doneMs < workMs; doneMs += PERIOD_MS) {
    const periodMs = Math.min(PERIOD_MS, workMs - doneMs);
    rounds += burn(periodMs * cpuShare);
    const leftMs = start + doneMs + periodMs - performance.now();
    if (leftMs > 0) Atomics.wait(rest, 0, 0, leftMs);
  }
  return { rounds, tookMs: performance.now() - start };
}

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString("utf8");
  try {
    const { workMs = 0, cpuShare = 1 } = text === "" ? {} : JSON.parse(text);
    const done = work(Math.min(600_000, Number(workMs)), Math.min(1, Math.max(0, cpuShare)));
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify(done));
  } catch (error) {
    response.writeHead(400, { "content-type": "text/plain" });
    response.end(String(error));
  }
});
// Whoever asks keeps connections for as long as it likes.
server.keepAliveTimeout = 0;
server.listen(Number(process.env.PORT ?? 8080), "127.0.0.1");
// Whoever started this process ends it; if that one is gone, so is this one.
process.stdin.on("close", () => process.exit(0)).resume();
