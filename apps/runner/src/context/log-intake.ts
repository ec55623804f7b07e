import type { LogLevel } from "@fmlab/experiment";
import { LogAssembler } from "./log-assembler.ts";

/** One finished line of a log; `timeMs` counts from the attempt's start. */
export interface LogEntry {
  timeMs: number;
  level: LogLevel;
  text: string;
}

/**
 * Joins what a run logs and what its process prints into one list of lines. A logged message is a
 * line of its own unless it begins or ends with a carriage return: then the line stays open and the
 * next message overwrites it, so that a progress bar ends as one line.
 */
export class LogIntake {
  readonly #emit: (entry: LogEntry) => void;
  readonly #logged: LogAssembler;
  readonly #printed: { stdout: LogAssembler; stderr: LogAssembler };
  #level: LogLevel = "info";
  #timeMs = 0;
  #returned = false;

  /** @param nowMs the attempt's clock, for text that arrives without a time */
  constructor(nowMs: () => number, emit: (entry: LogEntry) => void) {
    this.#emit = emit;
    this.#logged = new LogAssembler((text) => {
      emit({ timeMs: this.#timeMs, level: this.#level, text });
    });
    const printed = (level: LogLevel) =>
      new LogAssembler((text) => emit({ timeMs: nowMs(), level, text }));
    this.#printed = { stdout: printed("info"), stderr: printed("warn") };
  }

  /** A message given to `ctx.log`. */
  message(timeMs: number, level: LogLevel, text: string): void {
    const overwrites = this.#returned || text.startsWith("\r");
    if (this.#logged.isOpen && !overwrites) this.#logged.end();
    this.#level = level;
    this.#timeMs = timeMs;
    this.#returned = text.endsWith("\r");
    const staysOpen = this.#returned || text.startsWith("\r");
    this.#logged.write(staysOpen ? text : `${text}\n`);
  }

  /** A line of the runner itself, whatever is open. */
  note(timeMs: number, level: LogLevel, text: string): void {
    for (const line of text.split("\n")) this.#emit({ timeMs, level, text: line });
  }

  /** Bytes the process printed. */
  printed(stream: "stdout" | "stderr", bytes: Uint8Array): void {
    this.#printed[stream].write(bytes);
  }

  /** Gives out every open line. */
  end(): void {
    this.#logged.end();
    this.#printed.stdout.end();
    this.#printed.stderr.end();
  }
}
