import http from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream as NodeStream } from "node:stream/web";

/** A listening server. */
export interface HttpServer {
  port: number;
  /** Closes the port and drops every connection. */
  close(): Promise<void>;
}

/**
 * Serves a fetch handler by node:http, streaming in both directions.
 *
 * @param port 0 for any free one
 */
export async function serve(
  port: number,
  handle: (request: Request) => Promise<Response>,
): Promise<HttpServer> {
  const server = http.createServer((req, res) => {
    void answer(req, res, handle).catch(() => res.destroy());
  });
  server.requestTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no TCP address");
  return {
    port: address.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  req: http.IncomingMessage,
  res: http.ServerResponse,
  handle: (request: Request) => Promise<Response>,
): Promise<void> {
  const gone = new AbortController();
  res.once("close", () => gone.abort());
  const headers = new Headers();
  for (const [name, value] of Object.entries(req.headers)) {
    for (const one of [value ?? []].flat()) headers.append(name, one);
  }
  const hasBody = req.method !== "GET" && req.method !== "HEAD";
  const init: RequestInit & { duplex?: "half" } = { headers, signal: gone.signal, duplex: "half" };
  if (req.method) init.method = req.method;
  if (hasBody) init.body = Readable.toWeb(req) as unknown as ReadableStream;
  const response = await handle(new Request(`http://${req.headers.host}${req.url}`, init));
  for (const [name, value] of response.headers) {
    if (name !== "set-cookie") res.setHeader(name, value);
  }
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) res.setHeader("set-cookie", cookies);
  res.writeHead(response.status);
  res.flushHeaders();
  if (response.body === null) res.end();
  else await pipeline(Readable.fromWeb(response.body as unknown as NodeStream), res);
}
