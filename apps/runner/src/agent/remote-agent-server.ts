import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { ATTEMPT_ORDERS, type Fence, jobSchema } from "@fmlab/api/protocol";
import { z } from "zod";
import type { StagedArtifact } from "../context/run-event.ts";
import { RunnerError } from "../errors.ts";
import type { ServerConnection } from "../server-connection.ts";
import type { AgentServer } from "./agent-server.ts";

const REPORT_TIMEOUT_MS = 60_000;
const CLAIM_SPARE_MS = 10_000;
const ARTIFACT_TIMEOUT_MS = 600_000;

const orderAnswer = z.object({ order: z.enum(ATTEMPT_ORDERS) });
const ordersAnswer = z.object({ orders: z.array(z.enum(ATTEMPT_ORDERS)) });
const registerAnswer = z.object({ machineId: z.string() });
const finishAnswer = z.object({ accepted: z.boolean() });

/**
 * The server of an agent, over HTTP. Answers are checked: the other side may be another version.
 */
export function remoteAgentServer(connection: ServerConnection): AgentServer {
  const ask = async <T>(
    path: string,
    input: unknown,
    answer: z.ZodType<T>,
    options: { timeoutMs?: number; signal?: AbortSignal } = {},
  ): Promise<T> => {
    const parsed = answer.safeParse(await connection.mutate(path, input, options));
    if (parsed.success) return parsed.data;
    throw new RunnerError(
      `the server's answer to ${path} is not understood; bring server and agent to the same commit`,
      { code: "SERVER_REFUSED", reason: "PRECONDITION_FAILED" },
    );
  };
  const timeoutMs = REPORT_TIMEOUT_MS;
  return {
    register: (input) => ask("agent.register", input, registerAnswer),
    claim: (input, signal) =>
      ask("agent.claim", input, jobSchema.nullable(), {
        timeoutMs: input.waitMs + CLAIM_SPARE_MS,
        signal,
      }),
    renew: (input, signal) => ask("agent.renew", input, ordersAnswer, { signal }),
    start: (input) => ask("agent.start", input, orderAnswer),
    report: (input) => ask("agent.report", input, orderAnswer, { timeoutMs }),
    finish: (input) => ask("agent.finish", input, finishAnswer, { timeoutMs }),
    putArtifact: (fence, artifact) => uploadArtifact(connection, fence, artifact),
  };
}

/**
 * Sends a file of a run; the server checks its hash.
 *
 * @throws RunnerError `SERVER_AWAY` | `SERVER_REFUSED`
 */
export async function uploadArtifact(
  connection: ServerConnection,
  fence: Fence,
  artifact: StagedArtifact,
): Promise<void> {
  const { url } = connection.connection;
  const name = encodeURIComponent(artifact.name);
  const query = new URLSearchParams({ sha256: artifact.sha256, contentType: artifact.contentType });
  const target = `${url}/api/artifacts/${fence.runId}/${fence.attemptNumber}/${name}?${query}`;
  const body = Readable.toWeb(createReadStream(artifact.file)) as ReadableStream;
  const response = await fetch(target, {
    method: "PUT",
    headers: { ...connection.headers, "content-length": String(artifact.sizeBytes) },
    body,
    duplex: "half",
    signal: AbortSignal.timeout(ARTIFACT_TIMEOUT_MS),
  } as RequestInit).catch((error: unknown) => {
    throw connection.failureOf(error);
  });
  const told = (await response.text().catch(() => "")).slice(0, 500);
  if (response.ok) return;
  const message = `artifact ${artifact.name} was not taken: ${response.status} ${told}`;
  if (response.status >= 500 || response.status === 429 || response.status === 408) {
    throw new RunnerError(message, { code: "SERVER_AWAY", url });
  }
  throw new RunnerError(message, { code: "SERVER_REFUSED", reason: String(response.status) });
}
