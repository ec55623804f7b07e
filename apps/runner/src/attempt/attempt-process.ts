import type { Fidelity, Reproduction } from "@fmlab/experiment";
import type { AbortCause, ChildJob, ChildResult, FromChild } from "../child/child-messages.ts";
import { LogIntake } from "../context/log-intake.ts";
import type { RunEvent } from "../context/run-event.ts";
import type { Scrubber } from "../context/scrub.ts";
import type { SampleMachine } from "../gpu/sample-machine.ts";
import type { RunEnd, RunSink } from "../sink/run-sink.ts";
import { classifyEnd } from "./classify-end.ts";
import { oomKillCount } from "./oom-events.ts";
import type { RunnerChild } from "./runner-child.ts";

/** One attempt: its child, its job and where its results go. */
export interface AttemptOptions {
  child: RunnerChild;
  job: ChildJob;
  sink: RunSink;
  scrubber: Scrubber;
  code: Reproduction["code"];
  timeLimitSec: number;
  /** How long an aborted run may take to stop before it is terminated. */
  graceMs: number;
  oomKills?: () => number;
  /** Measures the machine while the experiment runs. */
  sampleMachine?: SampleMachine | undefined;
}

/** A child whose modules are not loaded by then never will be. */
const STARTUP_MS_MAX = 120_000;
/** Between SIGTERM and SIGKILL. */
const TERM_GRACE_MS = 2_000;
/** A child that has reported its result ends within this time or is killed. */
const EXIT_GRACE_MS = 5_000;
const STDERR_TAIL_CHARACTERS = 16_000;

/**
 * One attempt: gives a job to a child, passes on what it tells to a sink, aborts it when asked or
 * when its time is up, and says how it ended. Both `agent` and `exec` run experiments through this.
 */
export class AttemptProcess {
  readonly #options: AttemptOptions;
  #startMs = performance.now();
  readonly #log: LogIntake;
  readonly #notes: Reproduction["notes"] = {};
  readonly #timers: NodeJS.Timeout[] = [];
  #result: ChildResult | undefined;
  #inputs: Reproduction["inputs"] = [];
  #fidelity: Fidelity = "measured";
  #stderrTail = "";
  #abort: AbortCause | undefined;
  #isAbandoned = false;
  #isHandedBack = false;
  #stopSampling: () => void = () => undefined;

  constructor(options: AttemptOptions) {
    this.#options = options;
    this.#log = new LogIntake(
      () => this.#nowMs(),
      (entry) => {
        if (!this.#isAbandoned) {
          options.sink.log({ ...entry, text: options.scrubber.text(entry.text) });
        }
      },
    );
  }

  /** Runs to the end; resolves with null when the attempt was abandoned. */
  async run(): Promise<RunEnd | null> {
    const { child, job, timeLimitSec, oomKills = oomKillCount } = this.#options;
    const oomKillsBefore = oomKills();
    child.listen(
      (message) => this.#told(message),
      (stream, bytes) => this.#printed(stream, bytes),
    );
    const startup = setTimeout(() => this.kill(), STARTUP_MS_MAX);
    const broken = await child.ready.then(
      () => undefined,
      (error: Error) => error.message,
    );
    clearTimeout(startup);
    if (this.#abort === undefined && !this.#isAbandoned) {
      // Both sides count from here, and so does the time limit.
      this.#startMs = performance.now();
      this.#after(timeLimitSec * 1_000, () => this.abort("timed-out"));
      child.send({ type: "run", job });
    } else this.kill();
    const exit = await child.ended;
    this.#stopSampling();
    for (const timer of this.#timers) clearTimeout(timer);
    if (this.#isAbandoned) return null;
    this.#log.end();
    const { state, failure } = classifyEnd({
      result: this.#result,
      ...exit,
      stderrTail: broken === undefined ? this.#stderrTail : broken,
      abort: this.#abort,
      isHandedBack: this.#isHandedBack,
      oomKills: oomKills() - oomKillsBefore,
      timeLimitSec,
    });
    const { scrubber } = this.#options;
    return {
      state,
      failure: scrubber.value(failure),
      summary: scrubber.value(this.#result?.summary ?? null),
      fidelity: this.#fidelity,
      reproduction: this.#reproduction(),
      durationMs: this.#nowMs(),
    };
  }

  /** Asks the run to stop, and makes it when it does not within its grace. */
  abort(cause: AbortCause): void {
    if (this.#abort !== undefined || this.#result !== undefined) return;
    this.#abort = cause;
    const why = cause === "cancelled" ? "the run is being cancelled" : "the time limit has passed";
    this.#log.note(this.#nowMs(), "warn", why);
    const { child, graceMs } = this.#options;
    child.send({ type: "abort", cause });
    this.#after(graceMs, () => child.signal("SIGTERM"));
    this.#after(graceMs + TERM_GRACE_MS, () => child.signal("SIGKILL"));
  }

  /** Kills the run and keeps quiet about it: the attempt is no longer ours. */
  abandon(): void {
    this.#isAbandoned = true;
    this.kill();
  }

  /** Kills the run because its agent is stopping: it ends as lost, so that it is tried again. */
  handBack(): void {
    this.#isHandedBack = this.#result === undefined && this.#abort === undefined;
    this.kill();
  }

  /** Kills the run's processes. */
  kill(): void {
    this.#options.child.signal("SIGKILL");
  }

  #after(delayMs: number, act: () => void): void {
    // Longer delays than a timer can hold would fire at once.
    this.#timers.push(setTimeout(act, Math.min(delayMs, 2 ** 31 - 1)));
  }

  #nowMs(): number {
    return performance.now() - this.#startMs;
  }

  #reproduction(): Reproduction {
    const { job, code, scrubber } = this.#options;
    const notes = scrubber.value({ ...this.#notes });
    return { machine: job.machine, code, inputs: this.#inputs, notes };
  }

  #printed(stream: "stdout" | "stderr", bytes: Uint8Array): void {
    this.#log.printed(stream, bytes);
    if (stream !== "stderr") return;
    this.#stderrTail += Buffer.from(bytes).toString();
    this.#stderrTail = this.#stderrTail.slice(-STDERR_TAIL_CHARACTERS);
  }

  #told(message: FromChild): void {
    if (this.#isAbandoned) return;
    switch (message.type) {
      case "started": {
        const { definitionVersion, config, fidelity, inputs } = message;
        this.#fidelity = fidelity;
        this.#inputs = inputs;
        const reproduction = this.#reproduction();
        this.#options.sink.start({ definitionVersion, config, fidelity, reproduction });
        this.#startSampling();
        return;
      }
      case "events":
        for (const event of message.events) this.#event(event);
        return;
      case "done":
        this.#stopSampling();
        this.#result = message.result;
        this.#inputs = message.result.inputs;
        this.#after(EXIT_GRACE_MS, () => this.kill());
        return;
      case "ready":
      case "broken":
        return;
    }
  }

  #startSampling(): void {
    const { sampleMachine, sink } = this.#options;
    const nowMs = () => this.#nowMs();
    this.#stopSampling = sampleMachine?.(nowMs, (points) => sink.metrics(points)) ?? (() => {});
  }

  #event(event: RunEvent): void {
    const { sink, scrubber } = this.#options;
    switch (event.type) {
      case "metrics":
        sink.metrics(event.points);
        break;
      case "log":
        this.#log.message(event.timeMs, event.level, event.text);
        break;
      case "progress":
        sink.progress(event.done, event.total, scrubber.text(event.label));
        break;
      case "series":
        // What a model wrote is a result: it is kept to the letter.
        sink.series(
          event.name,
          event.data.kind === "text" ? event.data : scrubber.value(event.data),
        );
        break;
      case "artifact":
        sink.artifact(event.artifact);
        break;
      case "note":
        this.#notes[event.key] = event.value;
        break;
    }
  }
}
