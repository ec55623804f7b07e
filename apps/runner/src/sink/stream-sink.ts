import type { AttemptOrder, Fence } from "@fmlab/api/protocol";
import type { Series } from "@fmlab/experiment";
import type { AgentServer } from "../agent/agent-server.ts";
import type { LogEntry } from "../context/log-intake.ts";
import type { MetricPoint, StagedArtifact } from "../context/run-event.ts";
import { RunnerError } from "../errors.ts";
import { BackOff } from "./back-off.ts";
import { ChunkOutbox } from "./chunk-outbox.ts";
import type { RunEnd, RunSink, RunStart } from "./run-sink.ts";

/** How long points gather before they are sent, unless a chunk is full. */
const GATHER_MS = 250;
/** One report holds at most this many characters of pictures beside its points. */
const SERIES_CHARACTERS = 8_000_000;

/** The attempt that results are streamed for, and where they wait while the server is away. */
export interface StreamSinkOptions {
  server: AgentServer;
  fence: Fence;
  spillFile: string;
  /** What the server wants of this attempt; `stop` also when it is lost for another reason. */
  onOrder: (order: AttemptOrder) => void;
  /** The server will not take this run's results: it must end, and ends as failed. */
  onRefused: () => void;
  /** Tells the agent's operator of trouble. */
  onTrouble: (message: string) => void;
}

/** Refusals that say that the run or the right to it is gone. */
const LOST_REASONS = new Set([
  "NOT_FOUND",
  "UNAUTHORIZED",
  "FORBIDDEN",
  "401",
  "403",
  "404",
  "410",
]);

/**
 * Streams one attempt to the server: one report at a time, in batches that may be repeated, again
 * and again with back-off until it is acknowledged. When the attempt is fenced off, everything that
 * waits is dropped: another attempt of the run counts from then on.
 */
export class StreamSink implements RunSink {
  readonly #options: StreamSinkOptions;
  readonly #outbox: ChunkOutbox;
  readonly #series = new Map<string, { version: number; data: Series; acknowledged: number }>();
  readonly #artifacts: StagedArtifact[] = [];
  readonly #backOff = new BackOff();
  readonly #pump: Promise<void>;
  #progress: { done: number; total: number; label: string } | undefined;
  #start: RunStart | undefined;
  #isStarted = false;
  #end: RunEnd | undefined;
  #isOver = false;
  /** Why the server will not take the results, once that is so. */
  #refusal: string | undefined;
  #wake: () => void = () => undefined;
  #lastSentMs = Number.NEGATIVE_INFINITY;

  constructor(options: StreamSinkOptions) {
    this.#options = options;
    this.#outbox = new ChunkOutbox(options.spillFile);
    this.#pump = this.#run();
  }

  start(start: RunStart): void {
    this.#start = start;
    this.#wake();
  }

  metrics(points: readonly MetricPoint[]): void {
    if (this.#isOver) return;
    for (const point of points) this.#outbox.addPoint(point);
    this.#wake();
  }

  log({ timeMs, level, text }: LogEntry): void {
    if (this.#isOver) return;
    this.#outbox.addLine({ t: timeMs, level, text });
    this.#wake();
  }

  progress(done: number, total: number, label: string): void {
    this.#progress = { done, total, label };
    this.#wake();
  }

  series(name: string, data: Series): void {
    const known = this.#series.get(name);
    const version = (known?.version ?? 0) + 1;
    this.#series.set(name, { version, data, acknowledged: known?.acknowledged ?? 0 });
    this.#wake();
  }

  artifact(artifact: StagedArtifact): void {
    this.#artifacts.push(artifact);
    this.#wake();
  }

  async finish(end: RunEnd): Promise<void> {
    this.#end = end;
    this.#wake();
    await this.#pump;
  }

  /** Stops sending; what waits is dropped. */
  async abandon(): Promise<void> {
    this.#isOver = true;
    this.#wake();
    await this.#pump;
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      const step = this.#nextStep();
      if (step === undefined) {
        await this.#sleep(this.#isIdle() ? undefined : GATHER_MS);
        continue;
      }
      await this.#try(step);
    }
    this.#outbox.close();
  }

  /** What to do now, if anything: start, then reports and artifacts, then finish. */
  #nextStep(): (() => Promise<void>) | undefined {
    if (!this.#isStarted) {
      if (this.#start !== undefined) return () => this.#sendStart(this.#start?.reproduction);
      // It ended before the experiment began; the server must see it run all the same.
      if (this.#end !== undefined) return () => this.#sendStart(this.#end?.reproduction);
      return undefined;
    }
    const isDue = performance.now() - this.#lastSentMs >= GATHER_MS;
    const mustSend = isDue || this.#outbox.hasSealed || this.#end !== undefined;
    if (this.#hasNews() && mustSend) return () => this.#sendReport();
    if (this.#artifacts.length > 0 && this.#refusal === undefined) {
      return () => this.#sendArtifact();
    }
    if (this.#end !== undefined && !this.#hasNews()) return () => this.#sendFinish();
    return undefined;
  }

  #isIdle(): boolean {
    return !this.#isStarted || !this.#hasNews();
  }

  #hasNews(): boolean {
    if (this.#refusal !== undefined) return false;
    if (!this.#outbox.isEmpty || this.#progress !== undefined) return true;
    return [...this.#series.values()].some((one) => one.acknowledged < one.version);
  }

  async #try(step: () => Promise<void>): Promise<void> {
    try {
      await step();
      this.#backOff.reset();
    } catch (error) {
      if (!(error instanceof RunnerError)) throw error;
      if (error.failure.code === "SERVER_AWAY") {
        await this.#sleep(this.#backOff.nextMs(), "through");
        return;
      }
      this.#options.onTrouble(`the server refused this run's results: ${error.message}`);
      const reason = "reason" in error.failure ? error.failure.reason : "";
      if (LOST_REASONS.has(reason) || this.#refusal !== undefined) this.#obey("stop");
      else {
        this.#refusal = error.message;
        this.#options.onRefused();
      }
    }
  }

  async #sendStart(reproduction: RunEnd["reproduction"] | undefined): Promise<void> {
    if (reproduction === undefined) return;
    const { server, fence } = this.#options;
    const { order } = await server.start({ ...fence, reproduction });
    this.#isStarted = true;
    this.#obey(order);
  }

  async #sendReport(): Promise<void> {
    const { server, fence } = this.#options;
    const parcel = this.#outbox.next();
    const series = this.#changedSeries();
    const progress = this.#progress;
    this.#lastSentMs = performance.now();
    const { order } = await server.report({
      ...fence,
      metrics: parcel?.metrics ?? [],
      logs: parcel?.logs ?? [],
      series,
      ...(progress === undefined ? {} : { progress }),
    });
    parcel?.acknowledge();
    for (const { name, version } of series) {
      const one = this.#series.get(name);
      if (one !== undefined) one.acknowledged = version;
    }
    if (this.#progress === progress) this.#progress = undefined;
    this.#obey(order);
  }

  #changedSeries(): { name: string; version: number; data: Series }[] {
    const changed: { name: string; version: number; data: Series }[] = [];
    let characters = 0;
    for (const [name, { version, data, acknowledged }] of this.#series) {
      if (acknowledged >= version) continue;
      characters += JSON.stringify(data).length;
      if (changed.length > 0 && characters > SERIES_CHARACTERS) break;
      changed.push({ name, version, data });
    }
    return changed;
  }

  async #sendArtifact(): Promise<void> {
    const [artifact] = this.#artifacts;
    if (artifact === undefined) return;
    await this.#options.server.putArtifact(this.#options.fence, artifact);
    this.#artifacts.shift();
  }

  async #sendFinish(): Promise<void> {
    const { server, fence } = this.#options;
    if (this.#end === undefined) return;
    const { summary, fidelity, reproduction } = this.#end;
    const { state, failure } = this.#refusal === undefined ? this.#end : refused(this.#refusal);
    await server.finish({ ...fence, state, failure, summary, fidelity, reproduction });
    this.#isOver = true;
  }

  #obey(order: AttemptOrder): void {
    if (order === "continue") return;
    if (order === "stop") this.#isOver = true;
    this.#options.onOrder(order);
  }

  /** Waits for news, or `delayMs`; `through` waits out a back-off whatever news there is. */
  async #sleep(delayMs: number | undefined, how: "news" | "through" = "news"): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = delayMs === undefined ? undefined : setTimeout(resolve, delayMs);
      this.#wake = () => {
        const mustStay = how === "through" && !this.#isOver;
        const isMore = this.#isStarted && !this.#isOver && this.#nextStep() === undefined;
        if (mustStay || (isMore && delayMs !== undefined)) return;
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = () => undefined;
  }
}

function refused(message: string): Pick<RunEnd, "state" | "failure"> {
  const told = `the server refused this run's results: ${message}`;
  return { state: "FAILED", failure: { code: "EXPERIMENT_ERROR", message: told } };
}
