import { basename, resolve } from "node:path";
import { uploadArtifact } from "../agent/remote-agent-server.ts";
import { RunnerError, refusalReason } from "../errors.ts";
import type { ServerConnection } from "../server-connection.ts";
import {
  findRunFolders,
  logBatches,
  metricBatches,
  type RunFolder,
  readRunFolder,
} from "../sink/run-folder-reader.ts";
import { EXIT } from "./exit-code.ts";
import { ProgressView } from "./progress-view.ts";
import { type ConnectionOptions, connect, findProject } from "./server-client.ts";
import { note, out, outJson } from "./terminal.ts";

/** Imported runs have one attempt. */
const IMPORTED_ATTEMPT = 1;

interface SyncOptions extends ConnectionOptions {
  project?: string;
  json: boolean;
}

type SyncResult =
  | { folder: string; runId: string; created: boolean; artifacts: number }
  | { folder: string; error: string };

/**
 * `fmlab sync`: uploads run folders. The server knows a folder by its run id, so a folder that is
 * there already is only completed. A folder that cannot be read is told and does not stop the
 * others.
 */
export async function syncCommand(dirs: string[], options: SyncOptions): Promise<number> {
  const folders = dirs.flatMap((dir) => findRunFolders(resolve(dir)));
  if (folders.length === 0) {
    note(`no run folder (a folder with run.json) under ${dirs.join(", ")}`);
    if (options.json) outJson([]);
    return EXIT.success;
  }
  const connection = connect(options);
  const project = await findProject(connection, options.project);
  const results: SyncResult[] = [];
  const view = await ProgressView.onTerminal(options.json);
  const show = (text: string, print: (text: string) => void) =>
    view === undefined ? print(text) : view.line(text, print);
  try {
    for (const [i, folder] of folders.entries()) {
      view?.show(i, folders.length, basename(folder));
      const result = await syncFolder(connection, project.id, folder);
      results.push(result);
      const count = folders.length > 1 ? `${i + 1}/${folders.length} ` : "";
      if ("error" in result) show(`${count}${result.error}`, note);
      else if (!options.json) {
        const how = result.created ? "uploaded" : "was there";
        show(`${count}${folder}: ${how} as ${result.runId}`, out);
      }
    }
  } finally {
    view?.close();
  }
  if (options.json) outJson(results);
  return results.some((result) => "error" in result) ? EXIT.usage : EXIT.success;
}

async function syncFolder(
  connection: ServerConnection,
  projectId: string,
  folder: string,
): Promise<SyncResult> {
  try {
    const run = readRunFolder(folder);
    const { runId, created } = await importRun(connection, projectId, run);
    for (const artifact of run.artifacts) {
      await uploadArtifact(connection, { runId, attemptNumber: IMPORTED_ATTEMPT }, artifact);
    }
    return { folder, runId, created, artifacts: run.artifacts.length };
  } catch (error) {
    if (!(error instanceof RunnerError) || !isOwnFault(error)) throw error;
    const where = refusalReason(error) === undefined ? "" : `${folder}: `;
    return { folder, error: `${where}${error.message}` };
  }
}

/** Refusals of the caller, not of a folder: every other folder would meet them, too. */
const REFUSES_CALLER = new Set(["UNAUTHORIZED", "FORBIDDEN", "401", "403"]);

function isOwnFault(error: RunnerError): boolean {
  const reason = refusalReason(error);
  if (reason === undefined) return error.failure.code === "BAD_RUN_FOLDER";
  return !REFUSES_CALLER.has(reason);
}

function importRun(
  connection: ServerConnection,
  projectId: string,
  run: RunFolder,
): Promise<{ runId: string; created: boolean }> {
  const input = {
    projectId,
    record: run.record,
    summary: run.summary,
    metrics: metricBatches(run.metrics),
    logs: logBatches(run.log),
    series: run.series.map(({ name, data }) => ({ name, version: 1, data })),
  };
  return connection.mutate("sync.import", input, { timeoutMs: 120_000 });
}
