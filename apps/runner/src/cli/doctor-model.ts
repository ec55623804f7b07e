import { mkdtempSync, rmSync } from "node:fs";
import { freemem, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import {
  type AnyExperiment,
  isDomainError,
  parseConfig,
  type Series,
  type Summary,
} from "@fmlab/experiment";
import { z } from "zod";
import { resolveFile } from "../context/resolve-file.ts";
import { createRunContext } from "../context/run-context.ts";
import { usageError } from "../errors.ts";
import { experimentOf, extraModules, loadExperiments } from "../experiments.ts";
import { machineFolders } from "../repository.ts";
import { machineFacts } from "../reproduction/machine-facts.ts";
import { EXIT } from "./exit-code.ts";
import { type ModelHeader, readModelHeader } from "./model-header.ts";
import { ProgressView } from "./progress-view.ts";
import { tableText } from "./table-text.ts";
import { columns, out, outJson, shortNumber } from "./terminal.ts";

/** The experiment that plans; the doctor asks it and prints what it says. */
const PLAN_KIND = "moe-offload.plan";
const MIB = 1024 ** 2;
/** Share of free memory that a plan may take: the rest is for everything else on the machine. */
const FREE_SHARE = 0.8;

/** Flags of `fmlab doctor --model`. */
export interface DoctorModelOptions {
  model: string;
  memoryMib?: string;
  linkMbps?: string;
  machine?: string;
  tokens?: string;
  json: boolean;
  experiments: string[];
}

/** What the doctor reads of a plan's summary. */
const summarySchema = z.object({
  machine: z.object({ title: z.string(), linkText: z.string() }),
  model: z.object({ kvBytesPerToken: z.number() }),
  plans: z
    .array(
      z.object({
        memoryMiB: z.number(),
        mode: z.enum(["all-resident", "cache", "cache-prefetch"]),
        title: z.string(),
        tokensPerSecond: z.number(),
        tokensPerSecondLow: z.number(),
        tokensPerSecondHigh: z.number().nullable(),
        bottleneck: z.string(),
        launch: z.object({ command: z.string() }).optional(),
        group: z
          .object({
            batches: z.number(),
            sequencesPerBatch: z.number(),
            tokensPerSecondMax: z.number(),
            launch: z.object({ command: z.string() }).optional(),
          })
          .optional(),
      }),
    )
    .min(1),
});

const MODES = {
  "all-resident": "all experts resident",
  cache: "a cache of experts, without prefetching",
  "cache-prefetch": "a cache of experts, with prefetching",
};

/**
 * `fmlab doctor --model FILE`: what the file holds, whether this version computes it, and how this
 * machine should run it, with the line that does so. Fails when the file is not supported.
 */
export async function doctorModelCommand(options: DoctorModelOptions): Promise<number> {
  const { modelsDir, dataDir } = machineFolders();
  const rooms = { modelsDir, dataDir, scratchDir: modelsDir, anyPath: true };
  const path = await resolveFile(options.model, rooms);
  const header = readModelHeader(path);
  const modules = [...extraModules(), ...options.experiments.map((one) => resolve(one))];
  const definition = experimentOf(await loadExperiments(modules), PLAN_KIND);
  const config = parseConfig(definition, planConfig(options, header));
  if (!options.json) printHeader(header);
  try {
    const { pictures, summary } = await runPlan(definition, config, options.json);
    if (options.json) outJson({ ok: true, header, plan: JSON.parse(JSON.stringify(summary)) });
    else printPlan(summary, pictures, definition);
    return EXIT.success;
  } catch (error) {
    // What the experiment refuses is the doctor's finding, not a failure of the doctor.
    if (!isDomainError(error) || error.code === "CANCELLED") throw error;
    const { code, message } = error;
    if (options.json) outJson({ ok: false, header, problem: { code, message } });
    else out(`\nNot possible: ${message}`);
    return EXIT.failed;
  }
}

function planConfig(options: DoctorModelOptions, header: ModelHeader): Record<string, unknown> {
  const { linkMbps, machine, memoryMib, model, tokens } = options;
  const free = Math.floor((FREE_SHARE * freemem() - header.denseBytes) / MIB);
  const given = memoryMib === undefined ? undefined : parseAbove("--memory-mib", memoryMib);
  // Of a named machine the plan knows better what memory it has.
  const memory = given ?? (machine === undefined ? Math.max(1, free) : undefined);
  return {
    model,
    ...(memory !== undefined && { memoryMiB: [memory] }),
    ...(tokens !== undefined && { tokens: parseAbove("--tokens", tokens) }),
    ...(linkMbps !== undefined && {
      link: { bandwidthMBps: parseAbove("--link-mbps", linkMbps) },
    }),
    ...(machine !== undefined && { machine }),
  };
}

function parseAbove(flag: string, text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value) && value > 0) return value;
  throw usageError(`${flag} must be a number above 0, got ${JSON.stringify(text)}`);
}

/** Runs the experiment in this process; nothing of it is kept. */
async function runPlan(
  definition: AnyExperiment,
  config: Record<string, unknown>,
  isQuiet: boolean,
): Promise<{ summary: Summary; pictures: Map<string, Series> }> {
  const scratch = mkdtempSync(join(tmpdir(), "fmlab-doctor-"));
  const progress = await ProgressView.onTerminal(isQuiet);
  const pictures = new Map<string, Series>();
  const startMs = performance.now();
  const controller = new AbortController();
  const stop = () => controller.abort();
  process.once("SIGINT", stop);
  try {
    const { modelsDir, dataDir } = machineFolders();
    const module = await definition.load();
    const ctx = createRunContext({
      definition,
      seed: 0,
      signal: controller.signal,
      machine: await machineFacts(),
      rooms: { modelsDir, dataDir, scratchDir: scratch, anyPath: true },
      requiredFiles: definition.requires(config).files ?? [],
      stagingDir: scratch,
      nowMs: () => performance.now() - startMs,
      onFile: () => {},
      emit: (event) => {
        if (event.type === "series") pictures.set(event.name, event.data);
        if (event.type === "progress") progress?.show(event.done, event.total, event.label);
      },
    });
    return { summary: await module.run(ctx, config), pictures };
  } finally {
    process.off("SIGINT", stop);
    progress?.close();
    rmSync(scratch, { recursive: true, force: true });
  }
}

function printHeader(header: ModelHeader): void {
  const { architecture, denseBytes, expertBytes, fileCount, layerCount } = header;
  const files = fileCount === 1 ? "" : ` in ${fileCount} files`;
  out(
    columns([
      ["model", `${header.name}, ${mebibytes(header.fileBytes)}${files}`],
      ["architecture", architecture],
      ["layers", `${layerCount}, context of ${header.contextLength} tokens`],
      ["experts", `${header.expertCount} a layer, ${header.expertUsedCount} a token`],
      ["routed experts", `${mebibytes(expertBytes)} (${typesText(header.expertTypes)})`],
      ["other weights", `${mebibytes(denseBytes)} (${typesText(header.denseTypes)})`],
    ]),
  );
}

function printPlan(
  summary: Summary,
  pictures: ReadonlyMap<string, Series>,
  definition: AnyExperiment,
): void {
  const { machine, model, plans } = summarySchema.parse(JSON.parse(JSON.stringify(summary)));
  const plan = plans[0];
  if (plan === undefined) return;
  const { group, launch } = plan;
  const high = plan.tokensPerSecondHigh ?? Number.POSITIVE_INFINITY;
  const interval = `${shortNumber(plan.tokensPerSecondLow)} to ${shortNumber(high)}`;
  out(
    columns([
      ["KV cache", `${shortNumber(model.kvBytesPerToken / 1024)} KiB a token`],
      ["supported", "yes"],
      ["machine", `${machine.title}; experts come at ${machine.linkText}`],
      ["recommended", `in ${shortNumber(plan.memoryMiB)} MiB: ${MODES[plan.mode]}: ${plan.title}`],
      ["predicted", `${shortNumber(plan.tokensPerSecond)} tokens/s (95 %: ${interval})`],
      ["limited by", plan.bottleneck],
    ]),
  );
  if (launch) {
    out("\nRun it:");
    out(`  ${launch.command}`);
  }
  if (group?.launch && group.tokensPerSecondMax > plan.tokensPerSecond) {
    const texts = group.batches * group.sequencesPerBatch;
    const speed = shortNumber(group.tokensPerSecondMax);
    out(`\n${texts} texts at once would give at most ${speed} tokens/s together:`);
    out(`  ${group.launch.command}`);
  }
  for (const { help, series, title } of definition.views) {
    const picture = pictures.get(series);
    if (picture?.kind !== "table" || series === "placement") continue;
    out(`\n${title}. ${help}`);
    out(series === "reasons" ? answersText(picture.rows) : tableText(picture));
  }
}

/** Answers are sentences: they get lines of their own. */
function answersText(rows: readonly Record<string, unknown>[]): string {
  return rows.map(({ answer, question }) => `${question}\n  ${answer}`).join("\n");
}

function typesText(types: Record<string, number>): string {
  const names = Object.entries(types).sort(([, a], [, b]) => b - a);
  return names.length === 0 ? "none" : names.map(([name]) => name).join(", ");
}

function mebibytes(bytes: number): string {
  return `${shortNumber(bytes / MIB)} MiB`;
}
