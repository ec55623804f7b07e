import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { CLAIM_WAIT_MS_MAX, type Job, LEASE, PROTOCOL_VERSION } from "@fmlab/api/protocol";
import type { CodeFacts, MachineFacts } from "@fmlab/experiment";
import { ChildPool } from "../attempt/child-pool.ts";
import { Scrubber, standardFolders } from "../context/scrub.ts";
import { RunnerError, refusalReason } from "../errors.ts";
import type { SampleMachine } from "../gpu/sample-machine.ts";
import { type Folders, fmlabVersion, repositoryRoot } from "../repository.ts";
import { codeFacts } from "../reproduction/code-facts.ts";
import { machineFacts } from "../reproduction/machine-facts.ts";
import { BackOff } from "../sink/back-off.ts";
import type { AgentServer } from "./agent-server.ts";
import { findCapabilities } from "./capabilities.ts";
import { ClaimedAttempt } from "./claimed-attempt.ts";
import { ScratchFolders } from "./scratch-folders.ts";

/** How long a stopping agent tries to hand its runs back. */
const HAND_BACK_MS = 3_000;
/** How often the machine's files are looked at again. */
const REFRESH_MS = 30_000;
/** When an unanswered renewal is given up: after two of them a third still saves the lease. */
export const RENEW_TIMEOUT_MS = 3_000;
/** Pause after a renewal that failed; it keeps a server that refuses at once from being flooded. */
export const RENEW_RETRY_MS = 250;

/** What an agent needs to serve one machine. */
export interface AgentOptions {
  server: AgentServer;
  /** Unique in the organisation. */
  name: string;
  concurrency: number;
  folders: Folders;
  /** Modules with further experiments. */
  modules: readonly string[];
  heapMiB?: number | undefined;
  /** How long a cancelled run may take to stop. */
  cancelGraceMs: number;
  /** How long running attempts may go on when the agent is asked to stop. */
  shutdownGraceMs: number;
  /** Measures the machine beside each run. */
  sampleMachine?: SampleMachine | undefined;
  /** How often leases are renewed; the protocol's beat by default. */
  beatMs?: number;
  /** When a renewal without an answer is given up and made again. */
  renewTimeoutMs?: number;
  /** What the operator should see. */
  tell: (message: string) => void;
}

/**
 * Runs a server's experiments on this machine: registers it, claims runs one by one, executes each
 * in a process of its own, keeps the leases and does what the server orders. The server may be away
 * at any time; runs go on and their results wait.
 */
export class Agent {
  readonly #options: AgentOptions;
  readonly #pool: ChildPool;
  readonly #scratch: ScratchFolders;
  readonly #scrubber: Scrubber;
  readonly #running = new Map<string, ClaimedAttempt>();
  readonly #backOff = new BackOff();
  #facts: MachineFacts | undefined;
  #machineId = "";
  #registered = "";
  #definitions: Record<string, number> = {};
  #slotFreed: () => void = () => undefined;
  #isAway = false;
  readonly #hurry = new AbortController();

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#pool = new ChildPool({ modules: options.modules, heapMiB: options.heapMiB });
    this.#scratch = new ScratchFolders(options.folders.homeDir);
    this.#scrubber = new Scrubber(standardFolders(repositoryRoot, options.folders));
  }

  /**
   * Works until `signal` is aborted; then claims nothing more, lets running attempts end within the
   * grace and kills what is left: those runs are handed back and start again on another machine or
   * later.
   *
   * @throws RunnerError `SERVER_REFUSED` when the server will not have this agent
   */
  async run(signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const all = AbortSignal.any([signal, stop.signal]);
    const beats = new AbortController();
    try {
      const code = await codeFacts();
      this.#definitions = await this.#pool.warm(keyOf(code));
      this.#facts = await machineFacts();
      await this.#persist(() => this.#register(), all);
      const { beatMs = LEASE.beatMs } = this.#options;
      const renewing = this.#every(beatMs, RENEW_RETRY_MS, beats.signal, () =>
        this.#renew(beats.signal),
      );
      const refreshing = this.#every(REFRESH_MS, REFRESH_MS, beats.signal, () => this.#register());
      await this.#claimLoop(all);
      await this.#drain();
      beats.abort();
      await Promise.all([renewing, refreshing]);
    } finally {
      stop.abort();
      beats.abort();
      await this.#killAll();
      await this.#pool.close();
      this.#scratch.close();
    }
  }

  /** Tells the server what this machine is and can; nothing when it knows already. */
  async #register(): Promise<void> {
    if (this.#facts === undefined) return;
    const { tags, isCut } = await findCapabilities(this.#facts, this.#options.folders);
    const input = {
      protocolVersion: PROTOCOL_VERSION,
      fmlabVersion,
      name: this.#options.name,
      facts: this.#facts,
      capabilities: tags,
      definitions: this.#definitions,
    };
    const key = JSON.stringify(input);
    if (key === this.#registered) return;
    if (isCut) this.#options.tell("more files than can be offered; the rest is left out");
    const { machineId } = await this.#options.server.register(input);
    this.#machineId = machineId;
    this.#registered = key;
    const count = Object.keys(this.#definitions).length;
    this.#options.tell(
      `registered as ${this.#options.name}: ${count} experiments, ${tags.length} tags`,
    );
  }

  async #claimLoop(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.#slotFreed(), { once: true });
    while (!signal.aborted) {
      if (this.#running.size >= this.#options.concurrency) {
        await new Promise<void>((resolve) => {
          this.#slotFreed = resolve;
        });
        continue;
      }
      const job = await this.#persist(() => this.#claim(signal), signal);
      if (job !== null && job !== undefined) await this.#begin(job);
    }
  }

  async #claim(signal: AbortSignal): Promise<Job | null> {
    const input = { machineId: this.#machineId, waitMs: CLAIM_WAIT_MS_MAX };
    try {
      return await this.#options.server.claim(input, signal);
    } catch (error) {
      if (refusalReason(error) !== "NOT_FOUND") throw error;
      // The server has forgotten this machine, e.g. its database is a new one.
      this.#registered = "";
      await this.#register();
      return null;
    }
  }

  async #begin(job: Job): Promise<void> {
    const code = await codeFacts();
    if (this.#facts === undefined) throw new Error("assertion failed: facts come before claims");
    const { server, folders, cancelGraceMs, sampleMachine, tell } = this.#options;
    tell(`run ${job.runId} attempt ${job.attemptNumber}: ${job.kind}, seed ${job.seed}`);
    const attempt = new ClaimedAttempt({
      job,
      code,
      child: this.#pool.take(keyOf(code)),
      machine: this.#facts,
      server,
      folders,
      scratch: this.#scratch,
      scrubber: this.#scrubber,
      cancelGraceMs,
      sampleMachine,
      tell,
    });
    this.#running.set(job.attemptId, attempt);
    // A spare is warmed between runs, never beside one: it would disturb what the run measures.
    void attempt.ended.then(() => this.#warm(code));
    void attempt.over.finally(() => {
      this.#running.delete(job.attemptId);
      this.#slotFreed();
    });
  }

  #warm(code: CodeFacts): void {
    this.#pool.warm(keyOf(code)).then(
      (definitions) => {
        this.#definitions = definitions;
      },
      () => undefined,
    );
  }

  async #renew(stop: AbortSignal): Promise<void> {
    const running = [...this.#running.values()];
    const attempts = running.map((one) => one.fence);
    const { server, renewTimeoutMs = RENEW_TIMEOUT_MS } = this.#options;
    const signal = AbortSignal.any([stop, AbortSignal.timeout(renewTimeoutMs)]);
    const { orders } = await server.renew({ machineId: this.#machineId, attempts }, signal);
    for (const [i, order] of orders.entries()) running[i]?.obey(order);
  }

  /** Does something again and again until `signal`; an absent server is waited for. */
  async #every(
    periodMs: number,
    retryMs: number,
    signal: AbortSignal,
    act: () => Promise<void>,
  ): Promise<void> {
    let pauseMs = periodMs;
    while (!signal.aborted) {
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        await act();
        pauseMs = periodMs;
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof RunnerError)) throw error;
        this.#noteAway(error);
        pauseMs = Math.min(retryMs, periodMs);
      }
    }
  }

  /** Tries until it works; a refusal is thrown. */
  async #persist<T>(act: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
    while (!signal.aborted) {
      try {
        const result = await act();
        this.#backOff.reset();
        if (this.#isAway) this.#options.tell("the server is back");
        this.#isAway = false;
        return result;
      } catch (error) {
        if (signal.aborted) return undefined;
        if (!(error instanceof RunnerError) || error.failure.code !== "SERVER_AWAY") throw error;
        this.#noteAway(error);
        await sleep(this.#backOff.nextMs(), undefined, { signal }).catch(() => undefined);
      }
    }
    return undefined;
  }

  #noteAway(error: RunnerError): void {
    if (!this.#isAway) this.#options.tell(`${error.message} (trying again)`);
    this.#isAway = true;
  }

  /** Gives running attempts up at once when the agent is stopping. */
  hurry(): void {
    this.#hurry.abort();
  }

  async #drain(): Promise<void> {
    if (this.#running.size === 0) return;
    const { shutdownGraceMs, tell } = this.#options;
    tell(`stopping: ${this.#running.size} runs have ${shutdownGraceMs / 1_000} s to end`);
    const over = Promise.all([...this.#running.values()].map((one) => one.over));
    const timer = new AbortController();
    const signal = AbortSignal.any([timer.signal, this.#hurry.signal]);
    await Promise.race([
      over,
      sleep(shutdownGraceMs, undefined, { signal }).catch(() => undefined),
    ]);
    timer.abort();
  }

  /**
   * Kills what is left and hands it back; where that does not reach the server, the leases lapse.
   */
  async #killAll(): Promise<void> {
    const left = [...this.#running.values()];
    for (const one of left) one.handBack();
    const over = Promise.all(left.map((one) => one.over));
    const timer = new AbortController();
    const waited = sleep(HAND_BACK_MS, undefined, { signal: timer.signal }).catch(() => undefined);
    await Promise.race([over, waited]);
    timer.abort();
    for (const one of left) one.abandon();
    await over;
  }
}

/** Equal for equal code: a warm child is only used for the code it was loaded from. */
function keyOf(code: CodeFacts): string {
  return createHash("sha256").update(JSON.stringify(code)).digest("hex");
}
