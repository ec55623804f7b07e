import { readFileSync } from "node:fs";
import { AdapterError } from "../errors.ts";
import { parseQuantity } from "../kubernetes/quantity.ts";
import type { Timekeeper } from "../timekeeper.ts";
import {
  FunctionProcess,
  type FunctionProgram,
  type Invocation,
  type InvocationAnswer,
  runOnce,
} from "./function-process.ts";
import {
  type FunctionDeployment,
  type FunctionStatus,
  type ScaleRule,
  scaleRuleOf,
} from "./wire.ts";

const LOG_LINES_MAX = 1000;
const PAGE_BYTES = 4096;
/** Of the kernel's CPU accounting in /proc. */
const TICKS_PER_SECOND = 100;

/** One running copy of a function. */
interface Replica {
  process: FunctionProcess | undefined;
  /** Undefined once it is ready. */
  starting: Promise<void> | undefined;
  inFlight: number;
  idleSinceMs: number;
}

/** One line that a function wrote. */
export interface FunctionLogLine {
  name: string;
  namespace: string;
  instance: string;
  timestamp: string;
  text: string;
}

/**
 * A deployed function and its replicas, which are processes of this machine. A replica takes one
 * request at a time; others wait in the order of arrival. From zero the first request starts one.
 */
export class FunctionService {
  readonly #deployment: FunctionDeployment;
  readonly #program: FunctionProgram;
  readonly #time: Timekeeper;
  readonly #createdAt: string;
  readonly #replicas: Replica[] = [];
  readonly #waiting: ((replica: Replica) => void)[] = [];
  readonly logLines: FunctionLogLine[] = [];
  readonly scale: ScaleRule;
  invocationCount = 0;
  /** Requests that had to wait for a process to start. */
  coldCount = 0;
  #desired: number;
  #idle = new AbortController();
  #cpu = { atMs: 0, ticks: 0 };

  constructor(
    deployment: FunctionDeployment,
    program: FunctionProgram,
    readonly namespace: string,
    time: Timekeeper,
  ) {
    this.#deployment = deployment;
    this.#program = program;
    this.#time = time;
    this.#createdAt = new Date(time.wallMs()).toISOString();
    this.scale = scaleRuleOf(deployment.labels);
    this.#desired = this.scale.min;
  }

  get name(): string {
    return this.#deployment.service;
  }

  /** Cores that one request asks for; undefined: the deployment does not say. */
  get cores(): number | undefined {
    const cores = parseQuantity(this.#deployment.requests?.cpu ?? "");
    return Number.isFinite(cores) && cores > 0 ? cores : undefined;
  }

  /** Replicas that are ready and without a request. */
  get idleReplicas(): number {
    return this.#replicas.filter(({ starting, inFlight }) => !starting && inFlight === 0).length;
  }

  get desiredReplicas(): number {
    return this.#desired;
  }

  /** Replicas there are, starting ones included. */
  get replicaCount(): number {
    return this.#replicas.length;
  }

  /** Starts or ends replicas until there are so many; resolves when they are ready. */
  async setReplicas(count: number): Promise<void> {
    this.#desired = count;
    while (this.#replicas.length < count) this.#add();
    const spare = this.#replicas.filter(({ inFlight }) => inFlight === 0);
    const surplus = spare.slice(0, Math.max(0, this.#replicas.length - count));
    await Promise.all(surplus.map((one) => this.#remove(one)));
    await Promise.all(this.#replicas.map(({ starting }) => starting));
  }

  /**
   * Runs one request on a replica.
   *
   * @returns the answer, and whether a process had to be started for it
   * @throws AdapterError `PROCESS_FAILED`
   */
  async invoke(invocation: Invocation): Promise<InvocationAnswer & { isCold: boolean }> {
    this.invocationCount++;
    const replica = await this.#take();
    const isCold = replica.starting !== undefined;
    if (isCold) this.coldCount++;
    try {
      await replica.starting;
      const answer =
        replica.process === undefined
          ? await runOnce(this.#program.command, this.#env(), invocation)
          : await replica.process.invoke(invocation);
      return { ...answer, isCold };
    } catch (error) {
      await this.#remove(replica);
      if (error instanceof AdapterError) throw error;
      throw this.#failed(error instanceof Error ? error.message : String(error), error);
    } finally {
      this.#give(replica);
    }
  }

  /** Ends all replicas. */
  async stop(): Promise<void> {
    this.#idle.abort();
    this.#desired = 0;
    await Promise.all([...this.#replicas].map((one) => this.#remove(one)));
  }

  /** How it stands, as the API tells it. */
  status(): FunctionStatus {
    const { image, envProcess, envVars, constraints, secrets, labels, annotations } =
      this.#deployment;
    const { limits, requests, readOnlyRootFilesystem } = this.#deployment;
    return {
      name: this.name,
      image,
      namespace: this.namespace,
      envProcess: envProcess ?? "",
      envVars: envVars ?? {},
      constraints: constraints ?? [],
      secrets: secrets ?? [],
      labels: labels ?? {},
      annotations: annotations ?? {},
      ...(limits && { limits }),
      ...(requests && { requests }),
      readOnlyRootFilesystem: readOnlyRootFilesystem ?? false,
      invocationCount: this.invocationCount,
      replicas: this.#desired,
      availableReplicas: this.#replicas.filter(({ starting }) => starting === undefined).length,
      createdAt: this.#createdAt,
      usage: this.#usage(),
    };
  }

  #take(): Promise<Replica> {
    const free = this.#replicas.find(({ inFlight, starting }) => inFlight === 0 && !starting);
    const chosen = free ?? this.#replicas.find(({ inFlight }) => inFlight === 0);
    if (chosen !== undefined) {
      chosen.inFlight = 1;
      return Promise.resolve(chosen);
    }
    if (this.#replicas.length === 0) {
      this.#desired = Math.max(1, this.#desired);
      const first = this.#add();
      first.inFlight = 1;
      return Promise.resolve(first);
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #give(replica: Replica): void {
    replica.inFlight = 0;
    replica.idleSinceMs = this.#time.nowMs();
    const isThere = this.#replicas.includes(replica);
    if (this.#waiting.length > 0) {
      const next = isThere ? replica : this.#add();
      next.inFlight = 1;
      this.#waiting.shift()?.(next);
      return;
    }
    if (isThere && this.#replicas.length > Math.max(this.#desired, 1)) void this.#remove(replica);
    else this.#armIdle();
  }

  #add(): Replica {
    const replica: Replica = {
      process: undefined,
      starting: undefined,
      inFlight: 0,
      idleSinceMs: this.#time.nowMs(),
    };
    this.#replicas.push(replica);
    if (this.#program.mode === "http") {
      const tell = (text: string) => this.#log(text);
      const { command } = this.#program;
      const started = FunctionProcess.start(this.name, command, this.#env(), this.#time, tell);
      const starting = started.then(async (process) => {
        replica.starting = undefined;
        if (!this.#replicas.includes(replica)) await process.stop();
        replica.process = process;
      });
      // Whoever takes this replica hears of the failure; without a taker it is only written down.
      starting.catch((error: unknown) => {
        tell(error instanceof Error ? error.message : String(error));
        if (replica.inFlight === 0) void this.#remove(replica);
      });
      replica.starting = starting;
    }
    return replica;
  }

  async #remove(replica: Replica): Promise<void> {
    const at = this.#replicas.indexOf(replica);
    if (at >= 0) this.#replicas.splice(at, 1);
    await replica.process?.stop();
  }

  /** After the idle time without a request all replicas go, if the labels say so. */
  #armIdle(): void {
    const { zeroAfterMs } = this.scale;
    if (zeroAfterMs === undefined) return;
    this.#idle.abort();
    const idle = new AbortController();
    this.#idle = idle;
    void this.#time.sleep(zeroAfterMs, idle.signal).then(async () => {
      if (idle.signal.aborted || this.#replicas.some(({ inFlight }) => inFlight > 0)) return;
      this.#desired = 0;
      await Promise.all([...this.#replicas].map((one) => this.#remove(one)));
    });
  }

  #env(): Record<string, string> {
    return { ...this.#deployment.envVars };
  }

  #log(text: string): void {
    const timestamp = new Date(this.#time.wallMs()).toISOString();
    const { name } = this;
    this.logLines.push({ name, namespace: this.namespace, instance: name, timestamp, text });
    if (this.logLines.length > LOG_LINES_MAX) this.logLines.shift();
  }

  #usage(): FunctionStatus["usage"] {
    let ticks = 0;
    let bytes = 0;
    for (const { process: running } of this.#replicas) {
      const use = readUse(running?.pid);
      ticks += use.ticks;
      bytes += use.bytes;
    }
    const nowMs = this.#time.nowMs();
    const seconds = (nowMs - this.#cpu.atMs) / 1000;
    const used = Math.max(0, ticks - this.#cpu.ticks) / TICKS_PER_SECOND;
    this.#cpu = { atMs: nowMs, ticks };
    return { cpu: seconds > 0 ? (1000 * used) / seconds : 0, totalMemoryBytes: bytes };
  }

  #failed(problem: string, cause: unknown): AdapterError {
    const functionName = this.name;
    const failure = { code: "PROCESS_FAILED", functionName, problem } as const;
    return new AdapterError(`function ${functionName}: ${problem}`, failure, { cause });
  }
}

/** CPU ticks and resident bytes of a process; zeros where /proc does not tell. */
function readUse(pid: number | undefined): { ticks: number; bytes: number } {
  try {
    // Behind the name in parentheses, which may hold anything, the fields are fixed.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
    const ticks = Number(fields[11]) + Number(fields[12]);
    return { ticks, bytes: Number(fields[21]) * PAGE_BYTES };
  } catch {
    return { ticks: 0, bytes: 0 };
  }
}
