import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { AppRouter } from "@fmlab/api";
import { createTRPCClient, httpLink, type TRPCClient } from "@trpc/client";
import superjson from "superjson";
import { freePort } from "../../packages/db/src/embedded.mjs";

/** The checkout that this file lies in. */
export const ROOT = path.resolve(import.meta.dirname, "../..");
const START_MS = 120_000;

/** What `npm start` runs, on ports and in a folder of its own. */
export class Product {
  readonly home = mkdtempSync(path.join(os.tmpdir(), "fmlab-product-"));
  port = 0;
  output = "";
  #script: ChildProcess | undefined;
  readonly #checkout: string;

  /** @param checkout  the clone of the repository to start; by default this one */
  constructor(checkout = ROOT) {
    this.#checkout = checkout;
    chmodSync(this.home, 0o711); // Postgres' own user must be able to pass through.
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts everything and resolves when it says ready. */
  async start(): Promise<void> {
    this.port ||= await freePort();
    const { script, ended } = this.spawn({ PORT: String(this.port) });
    this.#script = script;
    const ready = this.waitForOutput(/ready in/, START_MS);
    const early = ended.then((code) => {
      throw new Error(`npm start ended with ${code}:\n${this.output}`);
    });
    await Promise.race([ready, early]);
  }

  /** The start script with extra environment, its output collected in `output`. */
  spawn(env: Record<string, string>): { script: ChildProcess; ended: Promise<number | null> } {
    this.output = "";
    const script = spawn(process.execPath, [path.join(this.#checkout, "scripts/start.mjs")], {
      env: { ...process.env, HOST: "", DATABASE_URL: "", FMLAB_HOME: this.home, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [script.stdout, script.stderr]) {
      stream?.on("data", (chunk) => {
        this.output += chunk;
      });
    }
    return { script, ended: new Promise((resolve) => script.once("exit", resolve)) };
  }

  /** Like Ctrl-C. Resolves with the exit code. */
  async interrupt(signal: NodeJS.Signals = "SIGINT"): Promise<number | null> {
    const script = this.#script;
    if (!script || script.exitCode !== null || script.signalCode !== null) return null;
    const ended = new Promise<number | null>((resolve) => script.once("exit", resolve));
    script.kill(signal);
    return ended;
  }

  async dispose(): Promise<void> {
    await this.interrupt();
    rmSync(this.home, { recursive: true, force: true });
  }

  /** Process id of a supervised part, as the start script printed it last. */
  pidOf(part: "web" | "runner" | "postgres"): number {
    const found = [...this.output.matchAll(new RegExp(`${part} runs as process (\\d+)`, "g"))];
    const pid = Number(found.at(-1)?.[1]);
    if (!pid) throw new Error(`no process id of ${part} in:\n${this.output}`);
    return pid;
  }

  async waitForOutput(pattern: RegExp, timeoutMs: number): Promise<void> {
    await waitFor(
      () => pattern.test(this.output),
      timeoutMs,
      `output ${pattern}`,
      () => this.output,
    );
  }

  /** `.data/local.json`: tokens and the project of a local installation. */
  get local(): { cliToken: string; agentToken: string; projectId: string; organizationId: string } {
    return JSON.parse(readFileSync(path.join(this.home, "local.json"), "utf8"));
  }

  /** A client with the command line's token. */
  get api(): TRPCClient<AppRouter> {
    return createTRPCClient<AppRouter>({
      links: [
        httpLink({
          url: `${this.url}/api/trpc`,
          transformer: superjson,
          headers: { authorization: `Bearer ${this.local.cliToken}` },
        }),
      ],
    });
  }
}

/** Asks until `done` answers true. @throws after `timeoutMs`, with what `evidence` shows */
export async function waitFor(
  done: () => boolean | Promise<boolean>,
  timeoutMs: number,
  what: string,
  evidence: () => string = () => "",
): Promise<number> {
  const startedAt = performance.now();
  for (;;) {
    if (await done()) return performance.now() - startedAt;
    if (performance.now() - startedAt > timeoutMs) {
      throw new Error(`waited ${timeoutMs} ms for ${what}\n${evidence()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
