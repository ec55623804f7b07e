import { setTimeout as sleep } from "node:timers/promises";
import { parseWhole } from "./config-input.ts";
import { EXIT, exitCodeOf } from "./exit-code.ts";
import {
  type ConnectionOptions,
  connect,
  parseRunId,
  type RunDetail,
  TERMINAL_STATES,
} from "./server-client.ts";
import { note, out, outJson } from "./terminal.ts";
import { present } from "./wait-for-runs.ts";

const PAGE_LINES = 2_000;
const POLL_MS = 500;

interface LogsOptions extends ConnectionOptions {
  follow: boolean;
  attempt?: string;
  json: boolean;
}

interface LogPage {
  /** Null while no machine has taken the run. */
  attempt: number | null;
  lines: { no: number; t: number; level: string; text: string }[];
  nextLine: number;
}

/**
 * `fmlab logs`: prints a run's log; with `--follow` until the run has ended, whose exit code it
 * takes over. With `--json` each line is one JSON value.
 */
export async function logsCommand(id: string, options: LogsOptions): Promise<number> {
  const runId = parseRunId(id);
  const connection = connect(options);
  const wanted =
    options.attempt === undefined ? {} : { attempt: parseWhole("--attempt", options.attempt, 1) };
  let afterLine = 0;
  let attempt: number | null = null;
  for (;;) {
    // Asked before the lines: a run that has ended by now has written all of them.
    const run = options.follow
      ? await present(() => connection.query<RunDetail>("run.get", { runId }))
      : undefined;
    const input = { runId, ...wanted, afterLine, limit: PAGE_LINES };
    const ask = () => connection.query<LogPage>("run.logs", input);
    const page = options.follow ? await present(ask) : await ask();
    if (page !== undefined) {
      if (attempt !== null && page.attempt !== attempt) {
        note(`attempt ${page.attempt}`);
        afterLine = 0;
        attempt = page.attempt;
        continue;
      }
      attempt = page.attempt;
      for (const line of page.lines) print(line, options.json);
      afterLine = page.nextLine;
      if (page.lines.length === PAGE_LINES) continue;
    }
    if (!options.follow) return EXIT.success;
    if (run !== undefined && TERMINAL_STATES.includes(run.state)) return exitCodeOf(run.state);
    await sleep(POLL_MS);
  }
}

function print(line: LogPage["lines"][number], isJson: boolean): void {
  if (isJson) outJson(line);
  else out(`${(line.t / 1_000).toFixed(3).padStart(9)} ${line.level.padEnd(5)} ${line.text}`);
}
