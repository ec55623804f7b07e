import type { Prng } from "@fmlab/sim";
import { CncError, requireSetting } from "../errors.ts";
import { type FunctionSpec, PLAIN_FUNCTION } from "../simulator/specs.ts";
import { type InvocationTrace, sliceTrace, traceOfRows } from "../traces/invocation-trace.ts";
import type { MinuteSpread } from "../traces/names.ts";
import { readDemand } from "./read-demand.ts";
import { scaleRequests } from "./scale-load.ts";
import type { WorkloadSource } from "./sources.ts";
import { type Workload, workOf } from "./workload.ts";

/** What a workload is to be; paths are resolved. */
export interface WorkloadSettings {
  source: WorkloadSource;
  trace: { invocations: string; durations: string; memory: string };
  fromMinute: number;
  minutes: number;
  /** At most so many functions; a larger trace is sampled. */
  functions: number;
  /** Generated applications have at most so many invocations a day. */
  perDayMax: number;
  durations: "published" | "trace";
  spread: MinuteSpread;
  /** Durations are cut here. */
  durationMsMax: number;
  tenants: number;
  /** SLO of a function: so many times its mean duration, and as many ms more. */
  sloFactor: number;
  sloSlackMs: number;
  /** Share of the functions that read data from a site. */
  dataShare: number;
  /** Long jobs in the whole time. */
  jobs: number;
}

/** What the cluster is like that the workload shall load. */
export interface LoadTarget {
  siteCount: number;
  /** Sum of cores x speed; undefined: requests are taken as they come. */
  capacityCores?: number;
  /** Share of the capacity to use. */
  load: number;
  /** The time is cut where so many requests have arrived. */
  requestsMax?: number;
}

/** Language runtimes whose images functions share; sizes chosen. */
const RUNTIMES = [
  ["node", 60],
  ["python", 120],
  ["java", 220],
  ["dotnet", 180],
  ["custom", 400],
] as const;
/** Share of a function's requests that come from its home site. */
const HOME_SHARE = 0.7;

/**
 * Builds functions and requests from a trace or the published distributions. What no trace tells
 * (cold starts, images, sizes, homes, data) is drawn from the seed and named in the notes.
 *
 * @throws CncError for files that cannot be read, `BAD_SETTING`
 */
export function buildWorkload(
  settings: WorkloadSettings,
  target: LoadTarget,
  prng: Prng,
): Workload {
  requireSetting(settings.minutes > 0, "minutes", settings.minutes, "above 0");
  const demand = readDemand(settings, prng.fork("demand"));
  const draws = prng.fork("functions");
  const functions = demand.functions.map((fn, i) =>
    completeFunction(fn, settings, target.siteCount, draws.fork(i)),
  );
  const notes = [...demand.notes, DRAWN_NOTE];
  let trace = withSites(demand.trace, functions, target.siteCount, prng.fork("sites"));
  let spanMs = settings.minutes * 60_000;
  if (trace.count > 0) {
    const loaded = applyLoad({ functions, trace }, spanMs, target, prng.fork("load"));
    trace = loaded.trace;
    spanMs = loaded.spanMs;
    notes.push(...loaded.notes);
  }
  if (settings.jobs > 0) {
    notes.push(`${settings.jobs} long jobs of about 5 minutes on 2 cores, checkpoints each minute`);
    const jobs = { count: settings.jobs, spanMs, siteCount: target.siteCount };
    trace = addJobs(trace, functions, jobs, prng.fork("jobs"));
  }
  if (trace.count === 0) throw emptyWorkload(functions.length, settings.minutes);
  return { functions, trace, spanMs, notes };
}

/** Thins or repeats requests for the load, and cuts the time where there are too many. */
function applyLoad(
  { functions, trace }: Pick<Workload, "functions" | "trace">,
  spanMs: number,
  { capacityCores, load, requestsMax = Number.POSITIVE_INFINITY }: LoadTarget,
  prng: Prng,
): { trace: InvocationTrace; spanMs: number; notes: string[] } {
  const notes: string[] = [];
  let loaded = trace;
  if (capacityCores !== undefined) {
    const offered = workOf({ functions, trace }) / (capacityCores * spanMs);
    const factor = load / offered;
    const had = offered.toPrecision(3);
    notes.push(`requests x ${factor.toPrecision(3)} for load ${load} (was ${had})`);
    // Twice what is needed is enough to cut from.
    const last = trace.arrivalMs[Math.ceil((2 * requestsMax) / factor)] ?? spanMs;
    loaded = scaleRequests(sliceTrace(trace, 0, last), factor, prng);
  }
  if (loaded.count <= requestsMax) return { trace: loaded, spanMs, notes };
  const cutMs = loaded.arrivalMs[requestsMax] as number;
  notes.push(`cut after ${(cutMs / 60_000).toPrecision(3)} minutes: ${requestsMax} requests`);
  return { trace: sliceTrace(loaded, 0, cutMs), spanMs: cutMs, notes };
}

function emptyWorkload(functions: number, minutes: number): CncError {
  return new CncError(
    `${functions} functions have no request in ${minutes} minutes; take more of either, or ` +
      "another part of the trace",
    { code: "EMPTY_WORKLOAD", functions, minutes },
  );
}

const DRAWN_NOTE =
  "cold starts (log-normal, median 0.4 s), runtimes and their images, sizes of requests " +
  "(log-normal, median 20 KB), homes and data are drawn: no trace tells them";

/** A function as far as the trace knows it. */
export interface DemandFunction {
  name: string;
  tenant: string;
  memoryMb: number;
  meanDurationMs: number;
  accelerators: number;
}

function completeFunction(
  fn: DemandFunction,
  settings: WorkloadSettings,
  siteCount: number,
  prng: Prng,
): FunctionSpec {
  const [runtime, imageMb] = prng.pick(RUNTIMES);
  const logNormal = (median: number, sigma: number) => median * Math.exp(prng.normal(0, sigma));
  const readsData = prng.chance(settings.dataShare);
  return {
    ...PLAIN_FUNCTION,
    name: fn.name,
    tenant: fn.tenant,
    memoryMb: Math.max(1, Math.round(fn.memoryMb)),
    accelerators: fn.accelerators,
    coldStartMs: Math.round(Math.min(10_000, logNormal(400, 0.7))),
    image: runtime,
    imageMb,
    sloMs: settings.sloFactor * fn.meanDurationMs + settings.sloSlackMs,
    requestKb: Math.min(5000, logNormal(20, 1)),
    responseKb: Math.min(5000, logNormal(20, 1)),
    dataSite: readsData ? prng.nextInt(siteCount) : undefined,
    dataKb: readsData ? Math.min(50_000, logNormal(1000, 1)) : 0,
    meanDurationMs: fn.meanDurationMs,
  };
}

function withSites(
  trace: InvocationTrace,
  functions: readonly FunctionSpec[],
  siteCount: number,
  prng: Prng,
): InvocationTrace {
  const homes = functions.map(() => prng.nextInt(siteCount));
  const site = Uint16Array.from(trace.functionIndex, (fn) =>
    prng.chance(HOME_SHARE) ? (homes[fn] as number) : prng.nextInt(siteCount),
  );
  return { ...trace, site };
}

/** Appends a function of long jobs and its requests. */
function addJobs(
  trace: InvocationTrace,
  functions: FunctionSpec[],
  jobs: { count: number; spanMs: number; siteCount: number },
  prng: Prng,
): InvocationTrace {
  const meanMs = 300_000;
  functions.push({
    ...PLAIN_FUNCTION,
    name: "long-job",
    tenant: "batch",
    kind: "job",
    cores: 2,
    memoryMb: 2048,
    coldStartMs: 2000,
    image: "batch",
    imageMb: 800,
    sloMs: 4 * meanMs,
    meanDurationMs: meanMs,
    checkpointMs: 60_000,
  });
  const rows = Array.from({ length: trace.count }, (_, i) => ({
    functionIndex: trace.functionIndex[i] as number,
    arrivalMs: trace.arrivalMs[i] as number,
    durationMs: trace.durationMs[i] as number,
    site: trace.site[i] as number,
  }));
  for (let k = 0; k < jobs.count; k++) {
    rows.push({
      functionIndex: functions.length - 1,
      arrivalMs: prng.nextFloat() * jobs.spanMs,
      durationMs: meanMs * Math.exp(prng.normal(-0.125, 0.5)),
      site: prng.nextInt(jobs.siteCount),
    });
  }
  return traceOfRows(rows);
}
