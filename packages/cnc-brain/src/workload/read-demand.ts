import type { Prng } from "@fmlab/sim";
import { spreadMinutes } from "../traces/arrivals.ts";
import { type AzureFunction, type DurationProfile, readAzure2019 } from "../traces/azure-2019.ts";
import { readAzure2021 } from "../traces/azure-2021.ts";
import {
  drawDurationMs,
  type GeneratedFunction,
  generateArrivals,
  generateFunctions,
} from "../traces/generator.ts";
import {
  type InvocationRow,
  type InvocationTrace,
  sliceTrace,
  traceOfRows,
} from "../traces/invocation-trace.ts";
import { llmInvocations, readLlmTrace } from "../traces/llm-trace.ts";
import { DURATION_SECONDS, MEMORY_MB } from "../traces/published-fits.ts";
import { sampleFunctions } from "../traces/wasserstein.ts";
import type { DemandFunction, WorkloadSettings } from "./build-workload.ts";

/** Functions and requests as a source gives them, arrivals from the window's start. */
export interface Demand {
  functions: DemandFunction[];
  trace: InvocationTrace;
  notes: string[];
}

/** An accelerator of speed 1 is assumed to take so long for a token. */
const LLM_TIMES = { prefillMsPerToken: 0.2, decodeMsPerToken: 20 };

/** Reads or generates the demand of the settings' window. */
export function readDemand(settings: WorkloadSettings, prng: Prng): Demand {
  const demand = readSource(settings, prng);
  const fromMs = settings.source === "generated" ? 0 : settings.fromMinute * 60_000;
  const trace = sliceTrace(demand.trace, fromMs, fromMs + settings.minutes * 60_000);
  const durationMs = trace.durationMs.map((ms) =>
    Math.min(settings.durationMsMax, Math.max(1, ms)),
  );
  return { ...demand, trace: { ...trace, durationMs } };
}

function readSource(settings: WorkloadSettings, prng: Prng): Demand {
  switch (settings.source) {
    case "generated":
      return generated(settings, prng);
    case "azure-2019":
      return azure2019(settings, prng);
    case "azure-2021":
      return azure2021(settings);
    case "llm":
      return languageModel(settings);
  }
}

/** As many applications as functions are asked for are drawn, and so many of their functions. */
function generated(settings: WorkloadSettings, prng: Prng): Demand {
  const drawn = generateFunctions(
    {
      apps: settings.functions,
      durationMsMax: settings.durationMsMax,
      invocationsPerDayMax: settings.perDayMax,
    },
    prng.fork("apps"),
  );
  const chosen = new Set(prng.fork("choice").shuffle(drawn).slice(0, settings.functions));
  const all = drawn.filter((fn) => chosen.has(fn));
  const rows: InvocationRow[] = [];
  all.forEach((fn: GeneratedFunction, functionIndex) => {
    const draw = prng.fork(`function-${functionIndex}`);
    for (const arrivalMs of generateArrivals(fn, settings.minutes * 60_000, draw)) {
      const durationMs = drawDurationMs(fn.meanDurationMs, draw);
      rows.push({ functionIndex, arrivalMs, durationMs });
    }
  });
  return {
    functions: all.map((fn, i) => ({
      name: `f${i}-${fn.trigger}`,
      tenant: tenantOf(fn.app, settings.tenants),
      memoryMb: fn.memoryMb,
      meanDurationMs: fn.meanDurationMs,
      accelerators: 0,
    })),
    trace: traceOfRows(rows),
    notes: ["functions drawn from the published distributions of Azure Functions"],
  };
}

function azure2019(settings: WorkloadSettings, prng: Prng): Demand {
  const { invocations, durations, memory } = settings.trace;
  const read = readAzure2019({
    invocations,
    ...(durations !== "" && { durations }),
    ...(memory !== "" && { memory }),
  });
  const draw = prng.fork("azure");
  const isPublished = settings.durations === "published";
  const described = read.functions.map((fn) => ({
    fn,
    meanMs: meanDurationOf(fn, isPublished, settings.durationMsMax, draw),
    memoryMb: isPublished
      ? Math.min(16_384, MEMORY_MB.quantile(draw.nextFloat()))
      : (fn.memoryMb ?? 170),
  }));
  const notes = [`${read.functions.length} functions of Azure Functions 2019`];
  if (isPublished) notes.push("durations and memory from the published fits, not the trace's own");
  else notes.push("durations and memory are the sample's own, which are biased high");
  notes.push(`arrivals within a minute: ${settings.spread}`);
  let chosen = described;
  if (settings.functions < described.length) {
    const sample = sampleFunctions(
      described.map(({ fn, meanMs, memoryMb }) => ({
        invocationsPerMinute: fn.perMinute.reduce((a, b) => a + b, 0) / read.minutes,
        meanDurationMs: meanMs,
        memoryMb,
      })),
      { size: settings.functions },
      prng.fork("sample"),
    );
    chosen = sample.indices.flatMap((i) => described[i] ?? []);
    const distance = sample.invocationDistance.toPrecision(3);
    notes.push(`${chosen.length} of them, Wasserstein distance ${distance} invocations a minute`);
  }
  const rows: InvocationRow[] = [];
  const untilMinute = settings.fromMinute + settings.minutes;
  chosen.forEach(({ fn, meanMs }, functionIndex) => {
    const draws = prng.fork(`requests-${fn.id}`);
    const minutes = fn.perMinute.slice(settings.fromMinute, untilMinute);
    for (const inside of spreadMinutes(minutes, settings.spread, draws)) {
      const arrivalMs = settings.fromMinute * 60_000 + inside;
      const profile = isPublished ? undefined : fn.duration;
      const durationMs = profile ? fromProfile(profile, draws) : drawDurationMs(meanMs, draws);
      rows.push({ functionIndex, arrivalMs, durationMs });
    }
  });
  return {
    functions: chosen.map(({ fn, meanMs, memoryMb }, i) => ({
      name: fn.id.slice(0, 12) || `f${i}`,
      tenant: tenantOf(i, settings.tenants),
      memoryMb,
      meanDurationMs: meanMs,
      accelerators: 0,
    })),
    trace: traceOfRows(rows),
    notes,
  };
}

function meanDurationOf(
  fn: AzureFunction,
  isPublished: boolean,
  maxMs: number,
  prng: Prng,
): number {
  const drawn = DURATION_SECONDS.quantile(Math.max(1e-12, prng.nextFloat())) * 1000;
  const mean = isPublished || fn.duration === undefined ? drawn : fn.duration.averageMs;
  return Math.min(maxMs, Math.max(1, mean));
}

/** Inverse of the profile's percentiles, straight between them. */
function fromProfile({ percentilesMs }: DurationProfile, prng: Prng): number {
  const shares = [0, 0.01, 0.25, 0.5, 0.75, 0.99, 1];
  const u = prng.nextFloat();
  const upper = shares.findIndex((share) => share > u);
  const [low, high] = [shares[upper - 1] as number, shares[upper] as number];
  const [from, to] = [percentilesMs[upper - 1] as number, percentilesMs[upper] as number];
  return from + ((u - low) / (high - low)) * (to - from);
}

function azure2021(settings: WorkloadSettings): Demand {
  const { functionNames, trace } = readAzure2021(settings.trace.invocations);
  const [sum, count] = [
    new Float64Array(functionNames.length),
    new Uint32Array(functionNames.length),
  ];
  trace.functionIndex.forEach((fn, i) => {
    sum[fn] = (sum[fn] as number) + (trace.durationMs[i] as number);
    count[fn] = (count[fn] as number) + 1;
  });
  return {
    functions: functionNames.map((name, i) => ({
      name,
      tenant: tenantOf(i, settings.tenants),
      memoryMb: 170,
      meanDurationMs: Math.max(1, (sum[i] as number) / Math.max(1, count[i] as number)),
      accelerators: 0,
    })),
    trace,
    notes: [
      `${functionNames.length} functions of Azure Functions 2021; 170 MB each (no memory given)`,
    ],
  };
}

function languageModel(settings: WorkloadSettings): Demand {
  const trace = llmInvocations(readLlmTrace(settings.trace.invocations), LLM_TIMES);
  const mean = trace.durationMs.reduce((a, b) => a + b, 0) / Math.max(1, trace.count);
  const { prefillMsPerToken, decodeMsPerToken } = LLM_TIMES;
  return {
    functions: [
      { name: "llm", tenant: "tenant-0", memoryMb: 16_000, meanDurationMs: mean, accelerators: 1 },
    ],
    trace,
    notes: [
      `one model on accelerators, ${prefillMsPerToken} ms a prompt token and ` +
        `${decodeMsPerToken} ms an output token (assumed), one request at a time`,
    ],
  };
}

const tenantOf = (number: number, tenants: number) => `tenant-${number % Math.max(1, tenants)}`;
