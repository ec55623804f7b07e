import { join } from "node:path";
import type { AttemptOrder, Fence, Job } from "@fmlab/api/protocol";
import type { CodeFacts, MachineFacts } from "@fmlab/experiment";
import { AttemptProcess } from "../attempt/attempt-process.ts";
import type { RunnerChild } from "../attempt/runner-child.ts";
import type { ChildJob } from "../child/child-messages.ts";
import type { Scrubber } from "../context/scrub.ts";
import type { SampleMachine } from "../gpu/sample-machine.ts";
import type { Folders } from "../repository.ts";
import { StreamSink } from "../sink/stream-sink.ts";
import type { AgentServer } from "./agent-server.ts";
import type { AttemptFolders, ScratchFolders } from "./scratch-folders.ts";

/** One attempt that this agent has claimed, and what carries it out. */
export interface ClaimedAttemptOptions {
  job: Job;
  /** The code that the child was loaded from. */
  code: CodeFacts;
  child: RunnerChild;
  machine: MachineFacts;
  server: AgentServer;
  folders: Folders;
  scratch: ScratchFolders;
  scrubber: Scrubber;
  cancelGraceMs: number;
  sampleMachine: SampleMachine | undefined;
  tell: (message: string) => void;
}

/** One claimed attempt from its claim to its finish: a child, and the stream of its results. */
export class ClaimedAttempt {
  readonly fence: Fence;
  /** Resolves when the child is gone. */
  readonly ended: Promise<void>;
  /** Resolves when the server has the results too, or they are given up. */
  readonly over: Promise<void>;
  readonly #options: ClaimedAttemptOptions;
  readonly #attempt: AttemptProcess;
  readonly #sink: StreamSink;
  #isDelivered = false;

  constructor(options: ClaimedAttemptOptions) {
    this.#options = options;
    const { job, server, scratch, tell } = options;
    const { runId, attemptNumber } = job;
    this.fence = { runId, attemptNumber };
    const folders = scratch.make();
    this.#sink = new StreamSink({
      server,
      fence: this.fence,
      spillFile: folders.spillFile,
      onOrder: (order) => this.obey(order),
      onRefused: () => this.#attempt.kill(),
      onTrouble: (message) => tell(`run ${runId}: ${message}`),
    });
    this.#attempt = new AttemptProcess({
      child: options.child,
      job: childJob(options, folders),
      sink: this.#sink,
      scrubber: options.scrubber,
      code: options.code,
      timeLimitSec: job.timeLimitSec,
      graceMs: options.cancelGraceMs,
      sampleMachine: options.sampleMachine,
    });
    const end = this.#attempt.run();
    this.ended = end.then(() => undefined);
    this.over = end.then((one) => this.#deliver(one)).finally(() => scratch.remove(folders));
  }

  /** Does what the server wants of this attempt. */
  obey(order: AttemptOrder): void {
    if (order === "cancel") this.#attempt.abort("cancelled");
    // The server also wants a stop of what it has just been told is over.
    if (order !== "stop" || this.#isDelivered) return;
    const { runId, attemptNumber } = this.fence;
    this.#options.tell(`run ${runId}: attempt ${attemptNumber} is no longer ours`);
    this.abandon();
  }

  /** Ends it as lost, since the agent is stopping. */
  handBack(): void {
    this.#options.tell(`run ${this.fence.runId} is given up here; it will be retried`);
    this.#attempt.handBack();
  }

  /** Kills it and sends nothing more of it. */
  abandon(): void {
    this.#attempt.abandon();
    void this.#sink.abandon();
  }

  async #deliver(end: Awaited<ReturnType<AttemptProcess["run"]>>): Promise<void> {
    if (end === null) return this.#sink.abandon();
    await this.#sink.finish(end);
    this.#isDelivered = true;
    const { runId, attemptNumber } = this.fence;
    const why = end.failure === null ? "" : `: ${end.failure.code} ${end.failure.message}`;
    this.#options.tell(`run ${runId} attempt ${attemptNumber} ${end.state}${why}`);
  }
}

function childJob(options: ClaimedAttemptOptions, own: AttemptFolders): ChildJob {
  const { kind, definitionVersion, config, seed } = options.job;
  const { modelsDir, dataDir, homeDir } = options.folders;
  const { scratchDir, stagingDir } = own;
  const hashCacheFile = join(homeDir, "input-hashes.json");
  const rooms = { modelsDir, dataDir, scratchDir, stagingDir, hashCacheFile, anyPath: false };
  return { kind, definitionVersion, config, seed, machine: options.machine, ...rooms };
}
