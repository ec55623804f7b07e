import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type AnyExperiment,
  LIMITS,
  type LogLevel,
  type MachineFacts,
  type MetricAxes,
  metricKey,
  type RequiredFile,
  type RunContext,
  type SeriesInput,
  seriesSchema,
} from "@fmlab/experiment";
import { z } from "zod";
import { type FileRooms, resolveFile } from "./resolve-file.ts";
import type { RunEvent } from "./run-event.ts";

/** Longest stored key of a curve, labels included (the protocol's limit). */
const METRIC_KEY_CHARACTERS = 200;
/** A name that is safe as a file name on every system. */
const SAFE_NAME = /^[A-Za-z0-9][A-Za-z0-9 ._+=@-]*$/;
/** Letters that would make two curves' keys look alike. */
const LABEL_FORBIDDEN = /[{},=\s]/;

/** What a context is made of. */
export interface ContextParts {
  definition: AnyExperiment;
  seed: number;
  signal: AbortSignal;
  machine: MachineFacts;
  rooms: FileRooms;
  requiredFiles: readonly RequiredFile[];
  /** Folder for artifacts on their way to the sink. */
  stagingDir: string;
  /** Monotonic, ms from the attempt's start. */
  nowMs: () => number;
  emit: (event: RunEvent) => void;
  /** Told of each file the run resolved. */
  onFile: (absolute: string) => void;
}

interface Curve {
  points: number;
  step: number;
}

/**
 * The context an experiment runs in: checks everything it is given against the definition and the
 * limits, and tells it on as events. Both back ends are made of this one, so an experiment that
 * passes on one passes on the other. A wrong call throws into the experiment, with what was
 * expected.
 */
export function createRunContext(parts: ContextParts): RunContext {
  const { definition, emit, nowMs } = parts;
  const metrics = new MetricGate(definition);
  const series = new SeriesGate(definition);
  const artifacts = new Set<string>();
  return {
    seed: parts.seed,
    kind: definition.kind,
    signal: parts.signal,
    machine: parts.machine,
    modelsDir: parts.rooms.modelsDir,
    dataDir: parts.rooms.dataDir,
    scratchDir: parts.rooms.scratchDir,
    nowMs,
    log: (message: string, level: LogLevel = "info") =>
      emit({ type: "log", timeMs: nowMs(), level, text: String(message) }),
    metric: (key, value, axes) => {
      const point = metrics.accept(key, value, axes);
      emit({ type: "metrics", points: [{ ...point, timeMs: nowMs() }] });
    },
    progress: (done, total, label = "") => {
      const finite = (n: number) => (Number.isFinite(n) ? n : 0);
      emit({
        type: "progress",
        done: finite(done),
        total: finite(total),
        label: label.slice(0, 200),
      });
    },
    series: (name, data) => {
      const warn = (text: string) => emit({ type: "log", timeMs: nowMs(), level: "warn", text });
      emit({ type: "series", name, data: series.accept(name, data, warn) });
    },
    artifact: async (name, bytes, contentType = "application/octet-stream") => {
      emit({
        type: "artifact",
        artifact: await stage(parts.stagingDir, artifacts, name, bytes, contentType),
      });
    },
    note: (key, value) => emit({ type: "note", key, value }),
    resolveFile: async (path) => {
      const absolute = await resolveFile(path, parts.rooms, parts.requiredFiles);
      parts.onFile(absolute);
      return absolute;
    },
  };
}

class MetricGate {
  readonly #definition: AnyExperiment;
  readonly #curves = new Map<string, Curve>();

  constructor(definition: AnyExperiment) {
    this.#definition = definition;
  }

  accept(
    key: string,
    value: number,
    axes: MetricAxes = {},
  ): { key: string; step: number; value: number | null } {
    if (!Object.hasOwn(this.#definition.metrics, key)) {
      const known = Object.keys(this.#definition.metrics).join(", ");
      throw new Error(
        `metric ${key} is not declared by ${this.#definition.kind}; declared are ${known}`,
      );
    }
    if (typeof value !== "number") {
      throw new Error(`metric ${key} needs a number, got ${typeof value}`);
    }
    const name = metricKey(key, axes);
    const curve = this.#curves.get(name) ?? this.#open(name, axes);
    const step = axes.step ?? curve.points;
    if (!Number.isFinite(step))
      throw new Error(`metric ${name}: step must be a finite number, got ${step}`);
    if (step < curve.step) {
      throw new Error(
        `metric ${name}: step ${step} comes after step ${curve.step}; steps must not fall`,
      );
    }
    curve.step = step;
    curve.points += 1;
    return { key: name, step, value: Number.isFinite(value) ? value : null };
  }

  #open(name: string, axes: MetricAxes): Curve {
    for (const [label, value] of Object.entries(axes)) {
      if (label === "step" || value === undefined) continue;
      if (LABEL_FORBIDDEN.test(label) || LABEL_FORBIDDEN.test(String(value))) {
        throw new Error(
          `metric ${name}: a label may not hold braces, commas, equals signs or spaces`,
        );
      }
    }
    if (name.length > METRIC_KEY_CHARACTERS) {
      throw new Error(
        `metric key ${name.slice(0, 60)}... is longer than ${METRIC_KEY_CHARACTERS} characters`,
      );
    }
    if (this.#curves.size >= LIMITS.metricKeysPerRun) {
      throw new Error(
        `a run may have ${LIMITS.metricKeysPerRun} curves and ${name} would be one more; ` +
          "use fewer label values or a heatmap series",
      );
    }
    const curve = { points: 0, step: Number.NEGATIVE_INFINITY };
    this.#curves.set(name, curve);
    return curve;
  }
}

class SeriesGate {
  readonly #definition: AnyExperiment;
  readonly #names = new Set<string>();

  constructor(definition: AnyExperiment) {
    this.#definition = definition;
  }

  accept(name: string, data: SeriesInput, warn: (text: string) => void) {
    if (!this.#names.has(name)) this.#open(name, data.kind, warn);
    const view = this.#definition.views.find((one) => one.series === name);
    if (view !== undefined && view.kind !== data.kind) {
      throw new Error(
        `series ${name} is drawn as ${view.kind} by ${this.#definition.kind}, got ${data.kind}`,
      );
    }
    const parsed = seriesSchema.safeParse(data);
    if (!parsed.success)
      throw new Error(`series ${name} is not valid: ${z.prettifyError(parsed.error)}`);
    const sizeBytes = Buffer.byteLength(JSON.stringify(parsed.data));
    if (sizeBytes > LIMITS.seriesBytes) {
      throw new Error(
        `series ${name} is ${sizeBytes} bytes; at most ${LIMITS.seriesBytes} are kept: ` +
          "thin it out or save it as an artifact",
      );
    }
    return parsed.data;
  }

  #open(name: string, kind: string, warn: (text: string) => void): void {
    if (!SAFE_NAME.test(name) || name.length > 100) {
      throw new Error(
        `series name ${JSON.stringify(name)} must be 1 to 100 letters, digits, spaces or ._+=@-`,
      );
    }
    if (this.#names.size >= LIMITS.seriesPerRun) {
      throw new Error(`a run may have ${LIMITS.seriesPerRun} series and ${name} would be one more`);
    }
    this.#names.add(name);
    if (!this.#definition.views.some((one) => one.series === name)) {
      warn(
        `series ${name} (${kind}) is not among the views of ${this.#definition.kind}: ` +
          "kept, but not drawn",
      );
    }
  }
}

async function stage(
  folder: string,
  names: Set<string>,
  name: string,
  bytes: Uint8Array,
  contentType: string,
) {
  if (!SAFE_NAME.test(name) || name.length > 200) {
    throw new Error(
      `artifact name ${JSON.stringify(name)} must be 1 to 200 letters, digits, spaces or ._+=@-`,
    );
  }
  if (names.has(name))
    throw new Error(`artifact ${name} was saved already; an artifact cannot change`);
  if (bytes.byteLength > LIMITS.artifactBytes) {
    throw new Error(
      `artifact ${name} is ${bytes.byteLength} bytes; at most ${LIMITS.artifactBytes} are kept`,
    );
  }
  if (names.size >= LIMITS.artifactsPerRun) {
    throw new Error(
      `a run may keep ${LIMITS.artifactsPerRun} artifacts and ${name} would be one more`,
    );
  }
  names.add(name);
  const file = join(folder, `${names.size}.artifact`);
  await writeFile(file, bytes);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { name, file, contentType, sizeBytes: bytes.byteLength, sha256 };
}

/**
 * A summary as plain JSON: NaN and infinities become null.
 *
 * @throws Error when it is not an object or is too large to keep
 */
export function plainSummary(summary: unknown): Record<string, unknown> {
  if (typeof summary !== "object" || summary === null || Array.isArray(summary)) {
    throw new Error("an experiment must return its summary as an object");
  }
  const text = JSON.stringify(summary, (_, value) =>
    typeof value === "bigint" ? Number(value) : value,
  );
  if (text.length > LIMITS.configBytes) {
    throw new Error(
      `the summary is ${text.length} characters; at most ${LIMITS.configBytes} are kept: ` +
        "save large results as a series or an artifact",
    );
  }
  return JSON.parse(text) as Record<string, unknown>;
}
