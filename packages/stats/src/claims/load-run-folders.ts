import { createReadStream, type Dirent } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { metricLineSchema, type RunRecord, runRecordSchema } from "@fmlab/experiment";
import { StatsError } from "../errors.ts";

/** A run folder: its record and summary, and its metrics when they are asked for. */
export interface RunFolder {
  /**
   * Path relative to the folder that was searched, `/` between parts; `.` for that folder itself.
   */
  folder: string;
  record: RunRecord;
  summary: Record<string, unknown>;
  /** The values of one stored metric key in order, gaps left out. Reads metrics.jsonl from disk. */
  metricValues(key: string): Promise<number[]>;
}

/**
 * Finds all run folders at or below `dir` (a folder with a `run.json` is one), in order of path.
 *
 * @throws StatsError `BAD_RUN_FOLDER` naming the folder that breaks the format, or `dir` if there
 * is none
 */
export async function loadRunFolders(dir: string): Promise<RunFolder[]> {
  const folders = await findFolders(dir, "");
  return Promise.all(folders.sort().map((folder) => loadRunFolder(dir, folder)));
}

async function findFolders(root: string, below: string): Promise<string[]> {
  const entries = await listFolder(path.join(root, below));
  if (entries.some((entry) => entry.isFile() && entry.name === "run.json")) return [below || "."];
  const inner = entries
    .filter((entry) => entry.isDirectory() && entry.name !== "node_modules")
    .map((entry) => findFolders(root, path.posix.join(below, entry.name)));
  return (await Promise.all(inner)).flat();
}

async function listFolder(dir: string): Promise<Dirent[]> {
  try {
    return await readdir(dir, { withFileTypes: true });
  } catch (cause) {
    throw badFolder(dir, "cannot be read; name an existing folder", cause);
  }
}

async function loadRunFolder(root: string, folder: string): Promise<RunFolder> {
  const at = path.join(root, folder);
  const parsed = runRecordSchema.safeParse(await readJson(at, folder, "run.json"));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const problem = `run.json: ${issue?.path.join(".") || "record"}: ${issue?.message}`;
    throw badFolder(folder, problem, parsed.error);
  }
  const record = parsed.data;
  // A run that did not succeed may have ended before there was a summary.
  const summary = record.state === "SUCCEEDED" ? await readJson(at, folder, "summary.json") : {};
  if (typeof summary !== "object" || summary === null || Array.isArray(summary)) {
    throw badFolder(folder, "summary.json must hold an object", undefined);
  }
  return {
    folder,
    record,
    summary: summary as Record<string, unknown>,
    metricValues: (key) => readMetricValues(path.join(at, "metrics.jsonl"), folder, key),
  };
}

async function readJson(at: string, folder: string, name: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path.join(at, name), "utf8"));
  } catch (cause) {
    throw badFolder(folder, `${name} cannot be read (${(cause as Error).message})`, cause);
  }
}

async function readMetricValues(file: string, folder: string, key: string): Promise<number[]> {
  const values: number[] = [];
  let number = 0;
  try {
    for await (const line of createInterface({ input: createReadStream(file, "utf8") })) {
      number++;
      if (line.trim() === "") continue;
      const point = metricLineSchema.parse(JSON.parse(line));
      if (point.key === key && point.value !== null) values.push(point.value);
    }
  } catch (cause) {
    throw badFolder(folder, `metrics.jsonl line ${number} (${(cause as Error).message})`, cause);
  }
  return values;
}

function badFolder(folder: string, problem: string, cause: unknown): StatsError {
  return new StatsError(
    `run folder ${folder}: ${problem}`,
    { code: "BAD_RUN_FOLDER", folder, problem },
    { cause },
  );
}
