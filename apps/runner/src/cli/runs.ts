import { parseWhole } from "./config-input.ts";
import { EXIT } from "./exit-code.ts";
import {
  type ConnectionOptions,
  connect,
  findProject,
  parseRunId,
  parseStates,
  type RunDetail,
  type RunRow,
} from "./server-client.ts";
import { columns, out, outJson, shortDuration, shortNumber } from "./terminal.ts";

interface ListOptions extends ConnectionOptions {
  project?: string;
  state?: string;
  kind?: string;
  limit: string;
  json: boolean;
}

interface RunsPage {
  rows: RunRow[];
  total: { count: number; capped: boolean };
}

/** `fmlab runs list`: the newest runs of a project. */
export async function runsListCommand(options: ListOptions): Promise<number> {
  const states = options.state === undefined ? undefined : parseStates(options.state);
  const connection = connect(options);
  const project = await findProject(connection, options.project);
  const limit = Math.min(200, parseWhole("--limit", options.limit, 1));
  const answer = await connection.query<RunsPage>("run.list", {
    projectId: project.id,
    filter: {
      ...(states === undefined ? {} : { states }),
      ...(options.kind === undefined ? {} : { kinds: [options.kind] }),
    },
    sort: { by: "createdAt", dir: "desc" },
    columns: [],
    limit,
  });
  if (options.json) outJson(answer);
  else if (answer.rows.length === 0) out(`no runs in ${project.name}`);
  else {
    out(columns([["RUN", "STATE", "KIND", "SEED", "TIME", "MACHINE"], ...answer.rows.map(row)]));
    const { capped, count } = answer.total;
    if (count > answer.rows.length) {
      const all = capped ? `more than ${count}` : String(count);
      out(`the newest ${answer.rows.length} of ${all} runs; --limit N shows up to 200`);
    }
  }
  return EXIT.success;
}

function row(run: RunRow): string[] {
  const { failureCode } = run;
  const isTold = failureCode === null || failureCode === run.state;
  const state = isTold ? run.state : `${run.state} ${failureCode}`;
  const time = run.durationMs === null ? "" : shortDuration(run.durationMs);
  return [run.id, state, run.kind, String(run.seed), time, run.machineName ?? ""];
}

/** `fmlab runs show`: one run. */
export async function runsShowCommand(
  id: string,
  options: ConnectionOptions & { json: boolean },
): Promise<number> {
  const runId = parseRunId(id);
  const run = await connect(options).query<RunDetail>("run.get", { runId });
  if (options.json) {
    outJson(run);
    return EXIT.success;
  }
  const facts: [string, string][] = [
    ["run", run.id],
    ["experiment", `${run.kind}${run.preset === null ? "" : ` (${run.preset})`}, seed ${run.seed}`],
    ["state", run.state],
    ["fidelity", run.fidelity],
    ["progress", `${run.progress.done}/${run.progress.total} ${run.progress.label}`.trim()],
    ["time", run.durationMs === null ? "" : shortDuration(run.durationMs)],
    ["waiting for", run.queue?.waitingFor ?? ""],
    ["failure", [run.failureCode, run.failureMessage].filter(Boolean).join(": ")],
    ...run.attempts.map((attempt): [string, string] => [
      `attempt ${attempt.number}`,
      `${attempt.state} on ${attempt.machineName ?? "a machine that is gone"}`,
    ]),
    ["config", JSON.stringify(run.config)],
  ];
  out(columns(facts.filter(([, value]) => value !== "")));
  const metrics = Object.entries(run.metrics).map(([key, { value: result, min, max, n }]) => {
    const value = (x: number | null) => shortNumber(x ?? Number.NaN);
    return [key, value(result), `${value(min)} .. ${value(max)}`, `${n} points`];
  });
  if (metrics.length > 0) out(`\n${columns([["METRIC", "RESULT", "RANGE", ""], ...metrics])}`);
  return EXIT.success;
}
