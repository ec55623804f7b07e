import { ExperimentError } from "@fmlab/experiment";
import type { FileRooms } from "../context/resolve-file.ts";
import { createRunContext, plainSummary } from "../context/run-context.ts";
import { type ExperimentMap, loadExperiments } from "../experiments.ts";
import type { AbortCause, ChildJob, ChildResult, FromChild, ToChild } from "./child-messages.ts";
import { failureOf } from "./end-of-run.ts";
import { EventSender } from "./event-sender.ts";
import { dieWithParent } from "./orphan-watch.ts";
import { hashInputs, prepareRun } from "./prepared-run.ts";

const abort = new AbortController();
let abortCause: AbortCause | undefined;
let isTaken = false;

dieWithParent();
const experiments = await loadOrTell();
process.on("message", (message: ToChild) => {
  if (message.type === "abort") {
    abortCause ??= message.cause;
    abort.abort(new ExperimentError("the run was cancelled", { code: "CANCELLED" }));
    return;
  }
  isTaken = true;
  void runJob(experiments, message.job).then(finish);
});
const definitions = [...experiments.values()].map((one) => [one.kind, one.version] as const);
send({ type: "ready", definitions: Object.fromEntries(definitions) });
if (process.env.FMLAB_CHILD_PRELOAD === "1") await preload(experiments);

async function loadOrTell(): Promise<ExperimentMap> {
  try {
    return await loadExperiments();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    send({ type: "broken", message });
    process.disconnect();
    return new Promise<never>(() => undefined);
  }
}

/** Loads the experiments' code ahead of time, so that a launch need not wait for it. */
async function preload(all: ExperimentMap): Promise<void> {
  for (const definition of all.values()) {
    if (isTaken) return;
    // What cannot be loaded here is told when it is launched.
    await definition.load().catch(() => undefined);
  }
}

async function runJob(all: ExperimentMap, job: ChildJob): Promise<ChildResult> {
  const startMs = performance.now();
  const nowMs = () => performance.now() - startMs;
  const sender = new EventSender((events) => send({ type: "events", events }), nowMs);
  process.on("exit", () => sender.flush());
  const rooms: FileRooms = { ...job };
  const resolved: string[] = [];
  const result: ChildResult = { failure: null, summary: null, inputs: [] };
  try {
    const run = await prepareRun(all, job, rooms);
    const { definition, config } = run;
    result.inputs = run.inputs;
    abort.signal.throwIfAborted();
    send({
      type: "started",
      definitionVersion: definition.version,
      config,
      fidelity: definition.fidelity(config),
      inputs: run.inputs,
    });
    const ctx = createRunContext({
      definition,
      seed: job.seed,
      signal: abort.signal,
      machine: job.machine,
      rooms,
      requiredFiles: run.requiredFiles,
      stagingDir: job.stagingDir,
      nowMs,
      emit: (event) => sender.add(event),
      onFile: (absolute) => resolved.push(absolute),
    });
    result.summary = plainSummary(await run.module.run(ctx, config));
    if (abortCause !== undefined) result.failure = failureOf(undefined, abortCause);
  } catch (error) {
    result.failure = failureOf(error, abortCause);
  }
  sender.flush();
  result.inputs = await allInputs(result.inputs, resolved, job, rooms);
  return result;
}

/**
 * The declared inputs and those the run resolved by itself. A file it removed since is left out.
 */
async function allInputs(
  declared: ChildResult["inputs"],
  resolved: string[],
  job: ChildJob,
  rooms: FileRooms,
): Promise<ChildResult["inputs"]> {
  const further = await Promise.all(
    resolved.map((file) => hashInputs([file], job, rooms).catch(() => [])),
  );
  const all = [...declared, ...further.flat()];
  return [...new Map(all.map((input) => [input.path, input])).values()];
}

function finish(result: ChildResult): void {
  process.send?.({ type: "done", result } satisfies FromChild, () => process.exit(0));
}

function send(message: FromChild): void {
  process.send?.(message);
}
