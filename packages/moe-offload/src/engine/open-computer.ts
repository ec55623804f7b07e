import { type Backend, type Device, GgmlLibrary, ThreadPool } from "@fmlab/ggml";
import { expertLayout } from "../model/expert-layout.ts";
import type { Resources } from "../resources.ts";
import type { Computer } from "./computer.ts";
import { ContextMemory } from "./context-memory.ts";
import { DeviceContext, visibleStretch } from "./device/device-context.ts";
import type { DeviceMachine } from "./device/device-machine.ts";
import { DeviceSplitGraphs } from "./device/device-split-graphs.ts";
import { DeviceWholeGraph } from "./device/device-whole-graph.ts";
import { findDevice } from "./device/find-device.ts";
import { EngineError, requireOption } from "./errors.ts";
import { type HyperParameters, readHyperParameters } from "./hyper-parameters.ts";
import type { EngineOptions, ModelFile } from "./interfaces.ts";
import { PromptGraph } from "./prompt-graph.ts";
import { NativeSlotPool } from "./slot-pool.ts";
import { SplitGraphs } from "./split-graphs.ts";
import { tellingVram } from "./telling-vram.ts";
import { loadWeights } from "./weights.ts";
import { WholeGraph } from "./whole-graph.ts";

/** Chosen; also llama.cpp's default, so that batches can be compared. */
const BATCH_TOKENS_DEFAULT = 512;
const THREADS_MAX = 64;
const AHEAD_DEPTH_MAX = 3;

/**
 * Loads a model's dense weights to the device of the options and takes the memory for context and
 * slots there.
 *
 * @param resources  what is opened is added, to be closed by the caller
 * @throws EngineError `BAD_OPTION` | `NO_DEVICE`; MoeError, GgufError, GgmlError
 */
export function openComputer(
  file: ModelFile,
  options: EngineOptions,
  resources: Resources,
): Computer {
  const model = readHyperParameters(file);
  checkOptions(options, model);
  const device = findDevice(GgmlLibrary.load(), options.device ?? "cpu");
  if (device.isHost && options.cpuExperts) throw noCard(options.cpuExperts.threads);
  const backend = resources.add(device.open());
  if (device.isHost) useThreads(backend, options, resources);
  const weights = resources.add(loadWeights(file, model, device));
  const layout = options.layout ?? expertLayout(file, model);
  const contextLength = options.contextLength ?? model.contextLength;
  const slotCounts = [options.slotCount].flat();
  const tell = { device, model, layout, slotCounts, contextLength };
  const pool = tellingVram(tell, () =>
    resources.add(
      new NativeSlotPool(layout, device, options.slotCount, options.cpuExperts !== undefined),
    ),
  );
  const batchTokens = Math.min(options.batchTokens ?? BATCH_TOKENS_DEFAULT, contextLength);
  const sizes = { contextLength, batchTokens };
  const machine = { device, backend, model, weights, pool, aheadDepth: options.aheadDepth ?? 0 };
  return device.isHost
    ? hostComputer(machine, sizes, resources)
    : tellingVram(tell, () =>
        deviceComputer({ ...machine, cpuThreads: options.cpuExperts?.threads }, sizes, resources),
      );
}

interface Opened {
  readonly device: Device;
  readonly backend: Backend;
  readonly model: HyperParameters;
  readonly weights: ReturnType<typeof loadWeights>;
  readonly pool: NativeSlotPool;
  readonly aheadDepth: number;
}

interface Sizes {
  readonly contextLength: number;
  readonly batchTokens: number;
}

function hostComputer(opened: Opened, sizes: Sizes, resources: Resources): Computer {
  const { device, model, pool } = opened;
  const { batchTokens, contextLength } = sizes;
  const context = resources.add(new ContextMemory(model, device, contextLength, batchTokens));
  const machine = { ...opened, context };
  return {
    model,
    pool,
    ...sizes,
    enter: (tokens, from, count, position) => context.enter(tokens, from, count, position),
    whole: () => new WholeGraph(machine),
    split: (source) => new SplitGraphs(machine, source),
    prompt: () => new PromptGraph(machine),
  };
}

function deviceComputer(
  opened: Opened & Pick<DeviceMachine, "cpuThreads">,
  sizes: Sizes,
  resources: Resources,
): Computer {
  const { backend, device, model, pool, weights } = opened;
  const { batchTokens, contextLength } = sizes;
  const context = resources.add(
    new DeviceContext(model, device, backend, weights.embedding, contextLength, batchTokens),
  );
  const machine = { ...opened, context };
  const visibleOf = (tokens: number) => Math.min(visibleStretch(tokens), context.contextLength);
  return {
    model,
    pool,
    ...sizes,
    enter: (tokens, from, count, position) => context.enter(tokens, from, count, position),
    whole: () => new DeviceWholeGraph(machine),
    split: (source) => new DeviceSplitGraphs(machine, source),
    prompt: () => new PromptGraph({ ...machine, visibleOf }),
  };
}

function noCard(threads: number): EngineError {
  const expected = "left out where the CPU computes everything";
  return new EngineError(`cpuExperts.threads is ${threads}; expected it ${expected}`, {
    code: "BAD_OPTION",
    option: "cpuExperts.threads",
    value: threads,
    expected,
  });
}

function checkOptions(options: EngineOptions, model: HyperParameters): void {
  const { threads, threadPool } = options;
  const slotsMax = model.moeLayers.length * model.expertCount;
  for (const count of [options.slotCount].flat()) {
    requireOption("slotCount", count, model.expertUsedCount, slotsMax);
  }
  requireOption("aheadDepth", options.aheadDepth ?? 0, 0, AHEAD_DEPTH_MAX);
  requireOption("threads", threads, 1, THREADS_MAX);
  if (options.cpuExperts) {
    requireOption("cpuExperts.threads", options.cpuExperts.threads, 1, THREADS_MAX);
  }
  if (threadPool)
    requireOption("threads with a pool", threads, threadPool.threads, threadPool.threads);
  if (options.contextLength !== undefined) {
    requireOption("contextLength", options.contextLength, 1, model.contextLength);
  }
  if (options.batchTokens !== undefined) {
    requireOption("batchTokens", options.batchTokens, 1, 65_536);
  }
}

// Without a pool two threads are slower than one, because ggml starts them anew for every graph.
function useThreads(backend: Backend, options: EngineOptions, resources: Resources): void {
  if (options.threadPool) backend.useThreadPool(options.threadPool);
  else if (options.threads > 1) {
    const { library } = backend.device;
    const pool = resources.add(new ThreadPool(library, { threads: options.threads }));
    backend.useThreadPool(pool);
  }
}
