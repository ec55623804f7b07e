import type { CpuExpertOptions } from "../offload/cpu-experts.ts";
import type { FinishedLoad } from "../offload/lane.ts";
import { OffloadedModel } from "../offload/offloaded-model.ts";
import type { Strategy } from "../offload/strategies.ts";
import { TraceSource } from "../shapes/trace-source.ts";
import { NO_HOST_TIER } from "../tiers/host-tier.ts";
import { FREE_LINK } from "../tiers/link-schedule.ts";
import { MonotonicClock } from "../tiers/monotonic-clock.ts";
import { NO_LINK } from "./pace.ts";
import type { ShapeBench } from "./shape-job.ts";

/** How a cell is opened beside its strategy and slots. */
export interface CellOptions {
  /** MB/s; 0: as fast as the machine is. */
  readonly linkMBps: number;
  /** How the CPU computes missed experts; undefined: it does not. */
  readonly cpuExperts?: CpuExpertOptions | undefined;
  readonly onLoad?: (load: FinishedLoad) => void;
  /** The engine's own routers decide, and a token may be one graph. */
  readonly ownRouting?: boolean;
}

/** Opens the shape with its experts in shared host memory and as many slots. */
export function openCell(
  bench: ShapeBench,
  strategy: Strategy,
  slots: number,
  options: CellOptions,
): OffloadedModel {
  const { calibration, contents, file, hostTier, job, layout, routing } = bench;
  const bandwidthMBps = options.linkMBps;
  return OffloadedModel.open(file, layout, {
    strategy,
    budgetBytes: slots * layout.expertBytes,
    host: NO_HOST_TIER,
    hostTier,
    contents,
    cpuExperts: options.cpuExperts,
    link: bandwidthMBps > 0 ? { ...NO_LINK, bandwidthMBps } : FREE_LINK,
    disk: FREE_LINK,
    device: job.device,
    threads: job.threads,
    contextLength: job.tokens,
    calibration,
    missCurves: calibration.missCurves,
    clock: new MonotonicClock(),
    cancelFlag: new Int32Array(new SharedArrayBuffer(4)),
    ...(options.ownRouting ? {} : { wrap: (source) => new TraceSource(source, routing) }),
    ...(options.onLoad && { onLoad: options.onLoad }),
  });
}
