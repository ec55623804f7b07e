import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { ShardChainError } from "../errors.ts";
import type { NodeId } from "../node/host.ts";
import type { BlockReport, FromValidator, ToValidator } from "./cluster-messages.ts";
import type { ClusterPlan } from "./cluster-site.ts";

const ENTRY = new URL("./validator-process.mjs", import.meta.url);
/** Last output of a process that is told when it fails. */
const TAIL_CHARACTERS = 4_000;

/** How a validator opened: what it had on its disk. */
export type Opening = Extract<FromValidator, { type: "open" }>;

/** One validator of a cluster, process after process: it may be killed and started again. */
export class ValidatorHandle {
  readonly node: NodeId;
  readonly #plan: ClusterPlan;
  readonly #tell: (node: NodeId, report: BlockReport) => void;
  #process: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #tail = "";
  #isMeantToRun = false;
  #failure: ShardChainError | undefined;

  constructor(plan: ClusterPlan, node: NodeId, tell: (node: NodeId, report: BlockReport) => void) {
    this.#plan = plan;
    this.node = node;
    this.#tell = tell;
  }

  /** Why the process ended or broke though nobody had ended it; undefined while all is well. */
  get failure(): ShardChainError | undefined {
    return this.#failure;
  }

  /** Undefined while no process runs. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /**
   * Starts a process; resolves when it listens.
   *
   * @throws ShardChainError `VALIDATOR_FAILED` when it ends or breaks before
   */
  async start(): Promise<Opening> {
    this.#tail = "";
    this.#isMeantToRun = true;
    this.#failure = undefined;
    const child = fork(fileURLToPath(ENTRY), [], {
      execArgv: [],
      serialization: "advanced",
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    this.#process = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (text: Buffer) => {
        this.#tail = (this.#tail + text.toString()).slice(-TAIL_CHARACTERS);
      });
    }
    this.#ended = new Promise((resolve) => {
      child.once("exit", () => {
        if (this.#process === child) this.#process = undefined;
        resolve();
      });
    });
    return new Promise((resolve, reject) => {
      const fail = (reason: string) => {
        if (this.#isMeantToRun) this.#failure ??= this.#failed(reason);
        reject(this.#failure ?? this.#failed(reason));
      };
      child.once("exit", (code, signal) => fail(`it ended (${signal ?? code})`));
      child.on("error", (error) => fail(error.message));
      child.on("message", (message: FromValidator) => {
        if (message.type === "block") this.#tell(this.node, message.report);
        else if (message.type === "open") resolve(message);
        else fail(message.message);
      });
      this.#say({ type: "start", plan: this.#plan, node: this.node });
    });
  }

  /** `kill -9`: nothing is closed, nothing is written. */
  async kill(): Promise<void> {
    this.#isMeantToRun = false;
    this.#process?.kill("SIGKILL");
    await this.#ended;
  }

  /** Nothing goes to these nodes or comes from them until told otherwise. */
  cutOff(nodes: readonly NodeId[]): void {
    this.#say({ type: "cut-off", nodes });
  }

  /** Ends in good order; killed when that takes longer than `graceMs` of `sleep`. */
  async stop(sleep: (ms: number) => Promise<void>, graceMs: number): Promise<void> {
    this.#isMeantToRun = false;
    this.#say({ type: "stop" });
    await Promise.race([this.#ended, sleep(graceMs)]);
    await this.kill();
  }

  #say(message: ToValidator): void {
    if (this.#process?.connected) this.#process.send(message, () => undefined);
  }

  #failed(reason: string): ShardChainError {
    const output = this.#tail.trim();
    return new ShardChainError(
      `the process of validator ${this.node} failed: ${reason}${output && `\n${output}`}`,
      { code: "VALIDATOR_FAILED", node: this.node, reason },
    );
  }
}
