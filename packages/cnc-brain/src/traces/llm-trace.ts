import { columnIndex, linesOf, numberField, openCsv } from "../csv.ts";
import { badFile, requireSetting } from "../errors.ts";
import { readBytes } from "../read-file.ts";
import { type InvocationTrace, traceOfRows } from "./invocation-trace.ts";

/** A request to a language model. */
export interface LlmRequest {
  /** From the first request on. */
  arrivalMs: number;
  promptTokens: number;
  outputTokens: number;
  /** Ids of 512-token blocks of the prompt; equal id: equal prefix up to there. */
  prefixBlocks: number[];
}

/**
 * Reads a trace of requests to a language model: Azure's (.csv: TIMESTAMP, ContextTokens,
 * GeneratedTokens) or Mooncake's (.jsonl: timestamp in ms, input_length, output_length, hash_ids),
 * packed or not; told apart by the first character.
 *
 * @throws CncError `UNREADABLE_FILE`, `BAD_FILE` with file and line
 */
export function readLlmTrace(path: string): LlmRequest[] {
  const bytes = readBytes(path);
  const requests = bytes[0] === "{".charCodeAt(0) ? readMooncake(path, bytes) : readAzure(path);
  requests.sort((a, b) => a.arrivalMs - b.arrivalMs);
  const first = requests[0]?.arrivalMs ?? 0;
  for (const request of requests) request.arrivalMs -= first;
  return requests;
}

function readAzure(path: string): LlmRequest[] {
  const table = openCsv(path);
  const [timeAt, promptAt, outputAt] = ["TIMESTAMP", "ContextTokens", "GeneratedTokens"].map(
    (name) => columnIndex(table, name),
  ) as [number, number, number];
  const requests: LlmRequest[] = [];
  for (const row of table.rows) {
    const text = row.fields[timeAt] ?? "";
    const found = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(\.\d+)?$/.exec(text);
    const secondMs = found === null ? Number.NaN : Date.parse(`${found[1]}T${found[2]}Z`);
    if (Number.isNaN(secondMs)) {
      const expected = "a time like 2023-11-16 18:17:03.9799600";
      throw badFile(path, row.line, `TIMESTAMP must be ${expected}, got "${text}"`);
    }
    requests.push({
      arrivalMs: secondMs + Number(found?.[3] ?? 0) * 1000,
      promptTokens: numberField(table, row, promptAt, { min: 0, isInteger: true }),
      outputTokens: numberField(table, row, outputAt, { min: 0, isInteger: true }),
      prefixBlocks: [],
    });
  }
  return requests;
}

function readMooncake(path: string, bytes: Uint8Array): LlmRequest[] {
  const requests: LlmRequest[] = [];
  let line = 0;
  for (const text of linesOf(bytes)) {
    line++;
    if (text === "") continue;
    let parsed: Record<string, unknown>;
    try {
      parsed = JSON.parse(text);
    } catch (error) {
      throw badFile(path, line, `no JSON: ${(error as Error).message}`);
    }
    const count = (key: string): number => {
      const value = parsed[key];
      if (typeof value === "number" && value >= 0) return value;
      throw badFile(path, line, `${key} must be a number of at least 0, got ${value}`);
    };
    const { hash_ids: ids = [] } = parsed as { hash_ids?: unknown };
    if (!Array.isArray(ids)) throw badFile(path, line, "hash_ids must be a list");
    requests.push({
      arrivalMs: count("timestamp"),
      promptTokens: count("input_length"),
      outputTokens: count("output_length"),
      prefixBlocks: ids.map(Number),
    });
  }
  return requests;
}

/** How long a request keeps an accelerator of speed 1; assumed, a straight line in the tokens. */
export interface LlmServiceTimes {
  prefillMsPerToken: number;
  decodeMsPerToken: number;
}

/** LLM requests as invocations of one function. */
export function llmInvocations(
  requests: readonly LlmRequest[],
  times: LlmServiceTimes,
  functionIndex = 0,
): InvocationTrace {
  const { prefillMsPerToken, decodeMsPerToken } = times;
  requireSetting(prefillMsPerToken >= 0, "prefillMsPerToken", prefillMsPerToken, "at least 0");
  requireSetting(decodeMsPerToken >= 0, "decodeMsPerToken", decodeMsPerToken, "at least 0");
  return traceOfRows(
    requests.map(({ arrivalMs, promptTokens, outputTokens }) => ({
      functionIndex,
      arrivalMs,
      durationMs: promptTokens * prefillMsPerToken + outputTokens * decodeMsPerToken,
    })),
  );
}
