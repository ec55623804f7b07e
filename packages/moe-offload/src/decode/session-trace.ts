import type { MoeEngine } from "../engine/engine.ts";
import { AHEAD_DEPTH_MAX } from "../traces/trace.ts";
import type { TraceContents } from "../traces/trace-block.ts";
import { TraceFileWriter } from "../traces/trace-file.ts";
import { TraceRecorder } from "../traces/trace-recorder.ts";

/** Writes what the routers of a session say to a trace file, as the tokens are evaluated. */
export class SessionTrace {
  readonly #engine: MoeEngine;
  readonly #writer: TraceFileWriter;
  readonly #recorder: TraceRecorder;

  /**
   * @param engine  opened with `aheadDepth` at its most
   * @throws MoeError `TRACE_NOT_WRITTEN`
   */
  constructor(engine: MoeEngine, path: string, model: string, seed: number) {
    const contents: TraceContents = {
      shape: engine.shape,
      hasProbabilities: true,
      aheadDepth: AHEAD_DEPTH_MAX,
      hasComputeMs: false,
      provenance: {
        model,
        text: "prompts and text of a decode run",
        origin: "recorded",
        isSimulated: false,
        seed,
        date: "see the run's record",
      },
    };
    this.#engine = engine;
    this.#writer = new TraceFileWriter(path, contents);
    const recorder = new TraceRecorder(contents, this.#writer);
    this.#recorder = recorder;
    engine.onTokenRouting = (routing) => recorder.add(routing);
  }

  /** Ends the file; without this call there is none. @throws MoeError `TRACE_NOT_WRITTEN` */
  finish(): void {
    this.#engine.onTokenRouting = undefined;
    this.#recorder.flush();
    this.#writer.close();
  }

  /** Leaves no file behind unless it was finished. */
  discard(): void {
    this.#writer.discard();
  }
}
