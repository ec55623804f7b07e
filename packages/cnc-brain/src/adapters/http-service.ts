import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { z } from "zod";

/** A request whose body has arrived. */
export interface HttpRequest {
  method: string;
  /** Path without the query, decoded parameters of the route aside. */
  path: string;
  query: URLSearchParams;
  /** Named parts of the route's pattern. */
  params: Readonly<Record<string, string>>;
  headers: IncomingMessage["headers"];
  body: Buffer;
}

/** What a handler answers; an object body is sent as JSON. */
export interface HttpAnswer {
  status: number;
  headers?: Readonly<Record<string, string>>;
  body?: string | Buffer | object;
}

/** Answers one kind of request. */
export type HttpHandler = (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>;

/** A refusal with its status; anything else that a handler throws is answered by 500. */
export class HttpRefusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** Limits of a server. */
export interface HttpServiceOptions {
  host: string;
  /** 0: any free one. */
  port: number;
  /** Larger bodies are refused by 413. */
  bodyBytesMax: number;
  /** Asked before any handler; a string refuses by 401 with that challenge. */
  guard?: (request: Pick<HttpRequest, "path" | "headers">) => string | undefined;
  /** Told of every answer. */
  onAnswer?: (route: string, status: number) => void;
}

const KEEP_ALIVE_MS = 75_000;

interface Route {
  method: string;
  pattern: string;
  expression: RegExp;
  handler: HttpHandler;
}

/**
 * A small HTTP server: routes with named parts (`/function/:name/*rest`), bodies up to a limit, and
 * no way for a request to end it: whatever a handler throws is an answer.
 */
export class HttpService {
  readonly #routes: Route[] = [];
  readonly #options: HttpServiceOptions;
  readonly #server: Server;

  constructor(options: HttpServiceOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => {
      void this.#serve(request, response);
    });
    // Longer than clients keep connections, so that it is they who close them.
    this.#server.keepAliveTimeout = KEEP_ALIVE_MS;
    this.#server.on("clientError", (_, socket) => {
      if (socket.writable) socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    });
  }

  /** Adds a route; the first that matches answers. `*`: any method. */
  on(method: string, pattern: string, handler: HttpHandler): this {
    const source = pattern
      .replace(/[.+?^${}()|[\]\\]/g, "\\$&")
      .replace(/:(\w+)/g, "(?<$1>[^/]+)")
      .replace(/\/\*(\w+)/g, "(?<$1>/.*)?");
    this.#routes.push({ method, pattern, expression: new RegExp(`^${source}$`), handler });
    return this;
  }

  /** Begins to listen; gives the address, e.g. `http://127.0.0.1:8080`. */
  async start(): Promise<string> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, host, () => {
        this.#server.off("error", reject);
        resolve();
      });
    });
    const at = this.#server.address() as AddressInfo;
    return `http://${at.family === "IPv6" ? `[${at.address}]` : at.address}:${at.port}`;
  }

  /** Ends all connections. */
  async stop(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    incoming.on("error", () => {});
    response.on("error", () => {});
    let route = "none";
    let answer: HttpAnswer;
    try {
      const url = new URL(incoming.url ?? "/", "http://here");
      const found = this.#find(incoming.method ?? "GET", url.pathname);
      route = found.route.pattern;
      answer = await this.#answer(incoming, url, found);
    } catch (error) {
      answer = answerOfError(error);
    }
    this.#options.onAnswer?.(route, answer.status);
    send(response, answer);
  }

  #find(method: string, path: string): { route: Route; params: Record<string, string> } {
    let isKnownPath = false;
    for (const route of this.#routes) {
      const match = route.expression.exec(path);
      if (match === null) continue;
      isKnownPath = true;
      if (route.method !== "*" && route.method !== method) continue;
      const params: Record<string, string> = {};
      for (const [name, value] of Object.entries(match.groups ?? {})) {
        if (value !== undefined) params[name] = decode(value);
      }
      return { route, params };
    }
    throw isKnownPath
      ? new HttpRefusal(405, `${method} is not allowed here`)
      : new HttpRefusal(404, `there is nothing at ${path}`);
  }

  async #answer(
    incoming: IncomingMessage,
    url: URL,
    { route, params }: { route: Route; params: Record<string, string> },
  ): Promise<HttpAnswer> {
    const { headers, method = "GET" } = incoming;
    const challenge = this.#options.guard?.({ path: url.pathname, headers });
    if (challenge !== undefined) {
      return { status: 401, headers: { "www-authenticate": challenge }, body: "unauthorized" };
    }
    const body = await readBody(incoming, this.#options.bodyBytesMax);
    const { pathname: path, searchParams: query } = url;
    return route.handler({ method, path, query, params, headers, body });
  }
}

/**
 * A body as the JSON that a schema describes.
 *
 * @throws HttpRefusal 400 with what is wrong
 */
export function jsonBody<T>(request: Pick<HttpRequest, "body">, schema: z.ZodType<T>): T {
  let value: unknown;
  try {
    value = JSON.parse(request.body.toString("utf8"));
  } catch (error) {
    throw new HttpRefusal(400, `the body is no JSON: ${(error as Error).message}`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new HttpRefusal(400, z.prettifyError(parsed.error));
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new HttpRefusal(400, `the path holds a malformed escape: ${part}`);
  }
}

async function readBody(incoming: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming) {
    bytes += (chunk as Buffer).length;
    if (bytes > bytesMax) throw new HttpRefusal(413, `bodies have at most ${bytesMax} bytes`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

function answerOfError(error: unknown): HttpAnswer {
  const status = error instanceof HttpRefusal ? error.status : 500;
  const message = error instanceof Error ? error.message : String(error);
  return { status, body: { error: message } };
}

function send(response: ServerResponse, { status, headers, body }: HttpAnswer): void {
  if (response.destroyed) return;
  const isPlain = body === undefined || typeof body === "string" || Buffer.isBuffer(body);
  const bytes = isPlain ? body : JSON.stringify(body);
  const type = isPlain ? {} : { "content-type": "application/json" };
  response.writeHead(status, { ...type, ...headers });
  response.end(bytes);
}
