import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { CHUNK_SIZE, LOG_LEVELS, type LogBatch, type MetricBatch } from "@fmlab/api/protocol";
import {
  LIMITS,
  type MetricLine,
  metricLineSchema,
  type RunRecord,
  runRecordSchema,
  type Series,
  seriesSchema,
} from "@fmlab/experiment";
import { z } from "zod";
import type { LogEntry } from "../context/log-intake.ts";
import type { StagedArtifact } from "../context/run-event.ts";
import { RunnerError } from "../errors.ts";
import { isRunFolder } from "./run-folder-sink.ts";

/** A run folder's content, checked. */
export interface RunFolder {
  folder: string;
  record: RunRecord;
  summary: Record<string, unknown>;
  metrics: MetricLine[];
  log: LogEntry[];
  series: { name: string; data: Series }[];
  artifacts: StagedArtifact[];
}

const CONTENT_TYPES: Record<string, string> = {
  json: "application/json",
  csv: "text/csv",
  txt: "text/plain",
  md: "text/markdown",
  png: "image/png",
  svg: "image/svg+xml",
};

/** Run folders at or under a path, sorted; links are not followed. */
export function findRunFolders(path: string): string[] {
  if (!existsSync(path) || !statSync(path).isDirectory()) {
    throw badFolder(path, "there is no such folder");
  }
  if (isRunFolder(path)) return [path];
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith("."))
    .map((entry) => entry.name)
    .sort()
    .flatMap((name) => findRunFolders(join(path, name)));
}

/**
 * Reads and checks a run folder. A last line that was cut off by a crash is left out.
 *
 * @throws RunnerError `BAD_RUN_FOLDER` naming the file, the line and what is wrong
 */
export function readRunFolder(folder: string): RunFolder {
  if (!isRunFolder(folder)) throw badFolder(folder, "it has no run.json");
  const record = parseFile(folder, "run.json", runRecordSchema);
  const summary = existsSync(join(folder, "summary.json"))
    ? parseFile(folder, "summary.json", z.record(z.string(), z.unknown()))
    : {};
  return {
    folder,
    record,
    summary,
    metrics: lines(folder, "metrics.jsonl").map((line, at) => metricOf(folder, line, at)),
    log: lines(folder, "log.txt").map((line, at) => logOf(folder, line, at)),
    series: namesIn(folder, "series")
      .filter((name) => name.endsWith(".json"))
      .map((name) => ({
        name: name.slice(0, -".json".length),
        data: parseFile(folder, join("series", name), seriesSchema),
      })),
    artifacts: namesIn(folder, "artifacts").map((name) => artifactOf(folder, name)),
  };
}

/** The points of a folder in the chunks the server stores. */
export function metricBatches(points: readonly MetricLine[]): MetricBatch[] {
  const curves = new Map<string, MetricLine[]>();
  for (const point of points) {
    const curve = curves.get(point.key);
    if (curve === undefined) curves.set(point.key, [point]);
    else curve.push(point);
  }
  return [...curves].flatMap(([key, curve]) =>
    inChunks(curve).map((chunk, chunkNo) => ({
      key,
      chunkNo,
      sealed: chunk.length === CHUNK_SIZE,
      steps: chunk.map((point) => point.step),
      values: chunk.map((point) => point.value),
      timesMs: chunk.map((point) => point.timeMs),
    })),
  );
}

/** The log of a folder in the chunks the server stores. */
export function logBatches(log: readonly LogEntry[]): LogBatch[] {
  return inChunks(log).map((chunk, chunkNo) => ({
    chunkNo,
    sealed: chunk.length === CHUNK_SIZE,
    lines: chunk.map(({ timeMs, level, text }) => ({ t: timeMs, level, text })),
  }));
}

function inChunks<T>(all: readonly T[]): T[][] {
  const count = Math.ceil(all.length / CHUNK_SIZE);
  return Array.from({ length: count }, (_, i) => all.slice(i * CHUNK_SIZE, (i + 1) * CHUNK_SIZE));
}

function parseFile<T>(folder: string, name: string, schema: z.ZodType<T>): T {
  const json = parseJson(folder, name, readFileSync(join(folder, name), "utf8"));
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw badFolder(folder, `${name} does not have the format: ${z.prettifyError(parsed.error)}`);
}

function parseJson(folder: string, where: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badFolder(folder, `${where} is not JSON: ${(error as Error).message}`);
  }
}

/** Whole lines only: what follows the last newline was cut off. */
function lines(folder: string, name: string): string[] {
  const path = join(folder, name);
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8").split("\n").slice(0, -1);
}

function metricOf(folder: string, line: string, at: number): MetricLine {
  const where = `metrics.jsonl line ${at + 1}`;
  const parsed = metricLineSchema.safeParse(parseJson(folder, where, line));
  if (parsed.success) return parsed.data;
  throw badFolder(folder, `${where}: ${z.prettifyError(parsed.error)}`);
}

function logOf(folder: string, line: string, at: number): LogEntry {
  const match = /^(\d+\.\d{3}) (\w+) (.*)$/s.exec(line);
  const level = LOG_LEVELS.find((one) => one === match?.[2]);
  if (match === null || level === undefined) {
    throw badFolder(folder, `log.txt line ${at + 1} must be "<seconds> <level> <text>"`);
  }
  const text = (match[3] ?? "").slice(0, LIMITS.logLineCharacters);
  return { timeMs: Number(match[1]) * 1_000, level, text };
}

function namesIn(folder: string, inside: string): string[] {
  const path = join(folder, inside);
  if (!existsSync(path)) return [];
  return readdirSync(path, { withFileTypes: true })
    .filter(
      (entry) => entry.isFile() && !entry.name.startsWith(".") && !entry.name.endsWith(".part"),
    )
    .map((entry) => entry.name)
    .sort();
}

function artifactOf(folder: string, name: string): StagedArtifact {
  const file = join(folder, "artifacts", name);
  const { size } = statSync(file);
  if (size > LIMITS.artifactBytes) {
    const mostMiB = LIMITS.artifactBytes / 2 ** 20;
    throw badFolder(
      folder,
      `artifact ${name} has ${size} bytes, more than the ${mostMiB} MiB that a run may keep in a file`,
    );
  }
  const bytes = readFileSync(file);
  const ending = name.split(".").at(-1) ?? "";
  return {
    name,
    file,
    contentType: CONTENT_TYPES[ending] ?? "application/octet-stream",
    sizeBytes: bytes.length,
    sha256: createHash("sha256").update(bytes).digest("hex"),
  };
}

function badFolder(path: string, problem: string): RunnerError {
  const shown = relative(process.cwd(), path) || ".";
  return new RunnerError(`${shown} is not a readable run folder: ${problem}`, {
    code: "BAD_RUN_FOLDER",
    path,
    problem,
  });
}
