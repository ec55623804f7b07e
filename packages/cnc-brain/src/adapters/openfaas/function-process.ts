import { type ChildProcess, spawn } from "node:child_process";
import { Agent, request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { connect, createServer } from "node:net";
import { AdapterError } from "../errors.ts";
import type { Timekeeper } from "../timekeeper.ts";

/** A request to a function. */
export interface Invocation {
  method: string;
  /** Path and query behind the function's name. */
  path: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** What a function answered. */
export interface InvocationAnswer {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

/** A program and how it takes requests. */
export interface FunctionProgram {
  command: readonly string[];
  /**
   * `http`: one process listens on PORT for all requests; `process`: each request starts one, which
   * reads its body from stdin and answers on stdout, as OpenFaaS's classic watchdog does.
   */
  mode: "http" | "process";
}

/** How long a process may take to listen, and how often it is asked. */
const START_LIMIT_MS = 30_000;
const ASK_EVERY_MS = 2;
/** Headers that concern one connection only. */
const HOP_HEADERS = ["connection", "keep-alive", "transfer-encoding", "host", "content-length"];

/** One process of a function that listens on a port of this machine. */
export class FunctionProcess {
  readonly #child: ChildProcess;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #port: number;
  #hasEnded = false;

  private constructor(child: ChildProcess, port: number, onLine: (line: string) => void) {
    this.#child = child;
    this.#port = port;
    child.once("exit", () => {
      this.#hasEnded = true;
    });
    child.on("error", (error) => {
      this.#hasEnded = true;
      onLine(error.message);
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk: Buffer) => onLine(chunk.toString("utf8").trimEnd()));
    }
  }

  /**
   * Starts a process and waits until it listens.
   *
   * @throws AdapterError `PROCESS_FAILED` when it ends or does not listen in 30 s
   */
  static async start(
    name: string,
    command: readonly string[],
    env: Readonly<Record<string, string>>,
    time: Timekeeper,
    onLine: (line: string) => void,
  ): Promise<FunctionProcess> {
    const port = await freePort();
    const [program = "", ...args] = command;
    const child = spawn(program, args, {
      env: environmentOf({ ...env, PORT: String(port) }),
      stdio: ["pipe", "pipe", "pipe"],
    });
    child.stdin.on("error", () => {});
    const started = new FunctionProcess(child, port, onLine);
    const untilMs = time.nowMs() + START_LIMIT_MS;
    while (!(await accepts(port))) {
      if (started.#hasEnded || time.nowMs() > untilMs) {
        started.stop();
        const problem = started.#hasEnded ? "it ended before it listened" : "it does not listen";
        throw new AdapterError(`function ${name}: ${problem} on port ${port}`, {
          code: "PROCESS_FAILED",
          functionName: name,
          problem,
        });
      }
      await time.sleep(ASK_EVERY_MS);
    }
    return started;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Sends one request; rejects when the process dies under it. */
  async invoke(invocation: Invocation): Promise<InvocationAnswer> {
    const first = await this.#send(invocation);
    // A kept connection that was closed at that very moment: the request never arrived.
    const answer = first === "not-sent" ? await this.#send(invocation) : first;
    if (answer === "not-sent") throw new Error("the connection was closed twice");
    return answer;
  }

  #send({ method, path, headers, body }: Invocation): Promise<InvocationAnswer | "not-sent"> {
    const passed = Object.entries(headers).filter(([name]) => !HOP_HEADERS.includes(name));
    return new Promise((resolve, reject) => {
      const outgoing = httpRequest(
        {
          host: "127.0.0.1",
          port: this.#port,
          method,
          path: path === "" ? "/" : path,
          agent: this.#agent,
          headers: { ...Object.fromEntries(passed), "content-length": body.length },
        },
        async (response) => {
          try {
            const chunks: Buffer[] = [];
            for await (const chunk of response) chunks.push(chunk as Buffer);
            const status = response.statusCode ?? 502;
            resolve({ status, headers: plain(response.headers), body: Buffer.concat(chunks) });
          } catch (error) {
            reject(error as Error);
          }
        },
      );
      outgoing.on("error", (error: NodeJS.ErrnoException) => {
        if (outgoing.reusedSocket && error.code === "ECONNRESET") resolve("not-sent");
        else reject(error);
      });
      outgoing.end(body);
    });
  }

  /** Ends the process; it is gone when this resolves. */
  async stop(): Promise<void> {
    this.#agent.destroy();
    if (this.#hasEnded || this.#child.exitCode !== null) return;
    const ended = new Promise<void>((resolve) => this.#child.once("exit", () => resolve()));
    this.#child.kill("SIGKILL");
    await ended;
  }
}

/** Runs a process for one request: body on stdin, answer on stdout; a failure answers 500. */
export function runOnce(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
  { method, path, headers, body }: Invocation,
): Promise<InvocationAnswer> {
  const [program = "", ...args] = command;
  const [only = "/", query = ""] = path.split("?");
  const told: Record<string, string> = { Http_Method: method, Http_Path: only, Http_Query: query };
  for (const [name, value] of Object.entries(headers)) {
    told[`Http_${name.replaceAll("-", "_")}`] = String(value);
  }
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const child = spawn(program, args, { env: environmentOf({ ...env, ...told }) });
    const fail = (problem: string) =>
      resolve({ status: 500, headers: {}, body: Buffer.from(problem) });
    child.on("error", (error) => fail(error.message));
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.stderr.resume();
    child.on("close", (code) => {
      if (code === 0) resolve({ status: 200, headers: {}, body: Buffer.concat(chunks) });
      else fail(`exit status ${code}`);
    });
    child.stdin.on("error", () => {});
    child.stdin.end(body);
  });
}

function plain(headers: IncomingHttpHeaders): Record<string, string> {
  const kept = Object.entries(headers).filter(([name]) => !HOP_HEADERS.includes(name));
  return Object.fromEntries(kept.map(([name, value]) => [name, String(value)]));
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const at = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return typeof at === "object" && at !== null ? at.port : 0;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
  });
}

/** What a function's process finds in its environment: the path of this one, and what is told. */
function environmentOf(told: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  // Frameworks narrow this type by variables of their own, which functions need not have.
  return { PATH: process.env.PATH ?? "", ...told } as Record<string, string> as NodeJS.ProcessEnv;
}
