import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { FromChild, ToChild } from "../child/child-messages.ts";
import { costsFile, machineFolders } from "../repository.ts";

const ENTRY = fileURLToPath(new URL("../child/entry.mjs", import.meta.url));
/** Not handed to experiments: what lets its holder act on the server or its database. */
const SECRETS = ["FMLAB_TOKEN", "DATABASE_URL", "AUTH_SECRET"];

/** How the process of an attempt is started. */
export interface ChildOptions {
  /** Modules with further experiments. */
  modules: readonly string[];
  /** Limit of V8's heap, MiB; V8's own default when undefined. */
  heapMiB?: number | undefined;
  /** Loads every experiment's code before a job comes. */
  preload: boolean;
}

/** How a child's process ended. */
export interface ChildExit {
  exitCode: number | null;
  signal: NodeJS.Signals | null;
}

/**
 * A process of its own, in a process group of its own, that will run one experiment. It dies with
 * its parent.
 */
export class RunnerChild {
  readonly #process: ChildProcess;
  #onMessage: (message: FromChild) => void = () => undefined;
  #onPrinted: (stream: "stdout" | "stderr", bytes: Uint8Array) => void = () => undefined;
  readonly #earlyOutput: ["stdout" | "stderr", Uint8Array][] = [];
  /** Resolves with the definitions it has; rejects when it cannot run anything. */
  readonly ready: Promise<Record<string, number>>;
  /** Resolves when the process is gone and all it wrote has been read. */
  readonly ended: Promise<ChildExit>;
  isGone = false;

  constructor(options: ChildOptions) {
    const env: NodeJS.ProcessEnv = { ...process.env };
    for (const name of SECRETS) delete env[name];
    env.FMLAB_EXTRA_EXPERIMENTS = options.modules.join(":");
    env.FMLAB_CHILD_PRELOAD = options.preload ? "1" : "0";
    env.FMLAB_COSTS ||= costsFile(machineFolders());
    const heap = options.heapMiB === undefined ? [] : [`--max-old-space-size=${options.heapMiB}`];
    this.#process = fork(ENTRY, [], {
      execArgv: heap,
      env,
      detached: true,
      serialization: "advanced",
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    for (const stream of ["stdout", "stderr"] as const) {
      this.#process[stream]?.on("data", (bytes: Uint8Array) => this.#printed(stream, bytes));
    }
    this.ended = this.#watchEnd();
    this.ready = this.#watchReady();
    // Whoever needs it awaits it; a spare that never is must not end the agent.
    this.ready.catch(() => undefined);
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Takes over what the child tells and prints from now on, and what it printed before. */
  listen(
    onMessage: (message: FromChild) => void,
    onPrinted: (stream: "stdout" | "stderr", bytes: Uint8Array) => void,
  ): void {
    this.#onMessage = onMessage;
    this.#onPrinted = onPrinted;
    for (const [stream, bytes] of this.#earlyOutput.splice(0)) onPrinted(stream, bytes);
    this.#isListened = true;
  }
  #isListened = false;

  send(message: ToChild): void {
    // A child that is gone cannot be told; its end is noticed by `ended`.
    if (this.#process.connected) this.#process.send(message, () => undefined);
  }

  /** Sends a signal to the child and everything it has started. */
  signal(signal: NodeJS.Signals): void {
    const { pid } = this.#process;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }

  #printed(stream: "stdout" | "stderr", bytes: Uint8Array): void {
    if (this.#isListened) this.#onPrinted(stream, bytes);
    else this.#earlyOutput.push([stream, bytes]);
  }

  #watchReady(): Promise<Record<string, number>> {
    return new Promise((resolve, reject) => {
      this.#process.on("message", (message) => {
        const told = message as FromChild;
        if (told.type === "ready") resolve(told.definitions);
        else if (told.type === "broken") reject(new Error(told.message));
        else this.#onMessage(told);
      });
      void this.ended.then(({ exitCode, signal }) => {
        const said = this.#earlyOutput.map(([, bytes]) => Buffer.from(bytes).toString()).join("");
        const how = signal ?? `exit code ${exitCode}`;
        reject(
          new Error(`the run's process ended (${how}) before it was ready: ${said.slice(-2_000)}`),
        );
      });
    });
  }

  #watchEnd(): Promise<ChildExit> {
    const disconnected = new Promise<void>((resolve) => {
      this.#process.once("disconnect", () => resolve());
    });
    const closed = new Promise<void>((resolve) => this.#process.once("close", () => resolve()));
    const exited = new Promise<ChildExit>((resolve) => {
      this.#process.once("error", () => resolve({ exitCode: null, signal: null }));
      this.#process.once("exit", (exitCode, signal) => resolve({ exitCode, signal }));
    });
    return exited.then(async (exit) => {
      this.isGone = true;
      // Grandchildren would hold the pipes open, and must not outlive the run.
      this.signal("SIGKILL");
      const timeout = new Promise<void>((resolve) => setTimeout(resolve, 2_000).unref());
      await Promise.race([Promise.all([disconnected, closed]), timeout]);
      return exit;
    });
  }
}
