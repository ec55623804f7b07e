import { z } from "zod";
import { badDocument } from "../errors.ts";

const vector = z.object({
  status: z.literal("success"),
  data: z.object({
    resultType: z.literal("vector"),
    result: z.array(
      z.object({
        metric: z.record(z.string(), z.string()),
        value: z.tuple([z.number(), z.string()]),
      }),
    ),
  }),
});

/** One element of an instant vector. */
export interface VectorElement {
  labels: Record<string, string>;
  value: number;
  atMs: number;
}

/** Where a Prometheus is. */
export interface PrometheusApiOptions {
  url: string;
  timeoutMs: number;
  /** Sent with each query, e.g. a bearer token. */
  headers?: Readonly<Record<string, string>>;
}

/**
 * Asks a Prometheus server for an instant vector.
 *
 * @throws AdapterError `BAD_DOCUMENT` for anything but a vector, and for no answer
 * @see prometheus.io, HTTP API, instant queries
 */
export async function queryPrometheus(
  { url, timeoutMs, headers = {} }: PrometheusApiOptions,
  query: string,
): Promise<VectorElement[]> {
  const address = new URL("api/v1/query", url.endsWith("/") ? url : `${url}/`);
  address.searchParams.set("query", query);
  let body: unknown;
  try {
    const response = await fetch(address, { headers, signal: AbortSignal.timeout(timeoutMs) });
    body = await response.json();
  } catch (error) {
    throw badDocument(`Prometheus at ${url}`, (error as Error).message);
  }
  const parsed = vector.safeParse(body);
  if (!parsed.success) {
    const told = (body as { error?: unknown } | null)?.error;
    throw badDocument(
      `Prometheus' answer to ${query}`,
      typeof told === "string" ? told : z.prettifyError(parsed.error),
    );
  }
  return parsed.data.data.result.map(({ metric, value: [seconds, text] }) => ({
    labels: metric,
    value: Number(text.replace("Inf", "Infinity")),
    atMs: seconds * 1000,
  }));
}
