import type { DeviceName } from "../engine/device/device-names.ts";
import { MoeError } from "../errors.ts";
import type { CpuTimes } from "../offload/miss-costs.ts";
import type { ComputeTimes } from "../replay/compute-times.ts";
import { PUBLISHED_CELLS, publishedMachine } from "../replay/published-machines.ts";
import type { ReplayCpu } from "../replay/replayer.ts";
import type { HostTier } from "../replay/virtual-lane.ts";
import type { LinkOptions } from "../tiers/link-schedule.ts";
import { linkOptions, MACHINES, type Machine, type MachineName } from "../tiers/machines.ts";
import type { MachineProbe } from "./machine-probe.ts";
import type { PlannerModel } from "./planner-model.ts";
import { deviceOf, rooflineTimes } from "./roofline.ts";

/** What a plan must know of a machine, be it this one or a named one. */
export interface PlannerMachine {
  readonly title: string;
  /** Into fast memory. */
  readonly link: LinkOptions;
  /** Host memory that does not hold every expert, with the disk below it. */
  readonly host?: HostTier;
  readonly times: ComputeTimes;
  /** Fast memory, where it is known. */
  readonly fastMemoryBytes?: number;
  /** How missed experts are computed on the CPU beside a card; undefined: none are. */
  readonly cpuExperts?: ReplayCpu | undefined;
  /** Where its numbers come from, for the record. */
  readonly assumptions: readonly string[];
}

/**
 * How missed experts are computed on the CPU beside a card, a named one or this machine's.
 *
 * @param times  as measured somewhere; 0 an expert: none are
 * @param own    what computes on this machine
 * @throws MoeError `CONFLICTING_SETTINGS` for a machine without a card
 */
export function cpuExpertsOf(
  times: CpuTimes,
  machine: string,
  own: DeviceName = "cpu",
): ReplayCpu | undefined {
  if (times.expertMs === 0) return undefined;
  const isCard = MACHINE_NAMES.some((name) => name === machine && deviceOf(name));
  if (isCard || (machine === "this" && own !== "cpu")) return { ...times, choice: "balanced" };
  throw new MoeError(
    "cpuExperts lets the CPU compute missed experts beside a card, and the machine has none. Name " +
      "a machine with a card, or set cpuExperts.expertMs to 0.",
    { code: "CONFLICTING_SETTINGS", settings: ["cpuExperts.expertMs", "machine"] },
  );
}

/** The names of `MACHINES`. */
export const MACHINE_NAMES = Object.keys(MACHINES) as MachineName[];

/**
 * A named machine. Cards compute as a paper measured with this model, else as fast as they read
 * their memory; a mere disk is put below the machine whose compute times are given.
 *
 * @param own  compute times for machines without a card, with where they come from
 */
export function namedMachine(
  name: MachineName,
  model: PlannerModel,
  own: { times: ComputeTimes; source: string },
): PlannerMachine {
  const machine: Machine = MACHINES[name];
  const { disk, fast, fastMemoryBytes, hostMemoryBytes, title } = machine;
  const published = PUBLISHED_CELLS.find(
    (cell) => cell.machine === name && cell.model === model.namedShape,
  );
  const device = deviceOf(name);
  const computed = published
    ? publishedMachine(published)
    : device
      ? rooflineTimes(model, device)
      : { times: own.times, assumptions: [own.source] };
  const link = fast ?? disk;
  const isHostSmall =
    fast !== undefined &&
    hostMemoryBytes !== undefined &&
    hostMemoryBytes.value < model.allExpertBytes;
  return {
    title,
    link: linkOptions(link),
    times: computed.times,
    ...(fast && fastMemoryBytes && { fastMemoryBytes: fastMemoryBytes.value }),
    ...(isHostSmall && {
      host: {
        memoryBytes: hostMemoryBytes.value,
        disk: linkOptions(disk),
        preload: allKeys(model),
      },
    }),
    assumptions: [
      ...new Set([
        ...computed.assumptions,
        ...[link.bandwidthMBps, link.latencyUs, link.queueDepth].map(({ source }) => source),
        ...(machine.conflict ? [machine.conflict] : []),
      ]),
    ],
  };
}

/**
 * The machine that was probed: experts come from its disk, or from host memory of the given size
 * with the disk below it.
 *
 * @param limit  imposed on the link into fast memory; 0 in a field imposes nothing
 * @param hostBytes  host memory for experts; 0 for none
 */
export function probedMachine(
  model: PlannerModel,
  probe: MachineProbe,
  times: ComputeTimes,
  { limit, hostBytes }: { limit: LinkOptions; hostBytes: number },
): PlannerMachine {
  const source = hostBytes > 0 ? probe.copy : probe.disk;
  return {
    title: "this machine",
    link: limitLink(source, limit, largestExpert(model)),
    ...(hostBytes > 0 && {
      host: { memoryBytes: hostBytes, disk: probe.disk, preload: allKeys(model) },
    }),
    times,
    assumptions: [
      "compute times measured here",
      `${tellLink(probe.disk)} from disk, measured here on ${probe.expertsRead} experts` +
        (probe.readMode === "buffered" ? " through the page cache: the disk may be slower" : ""),
      `${tellLink(probe.copy)} from memory to memory, measured here`,
    ],
  };
}

/**
 * A link with a limit imposed on it: a transfer ends when both let it, so the one that is slower
 * for an expert decides.
 *
 * @param bytes  of an expert
 */
export function limitLink(link: LinkOptions, limit: LinkOptions, bytes: number): LinkOptions {
  const isSlower = transferMs(limit, bytes) > transferMs(link, bytes);
  return isSlower ? limit : { ...link, queueDepth: Math.max(link.queueDepth, limit.queueDepth) };
}

/** Time of one transfer on an idle link, ms. */
export function transferMs({ bandwidthMBps, latencyUs }: LinkOptions, bytes: number): number {
  return latencyUs / 1e3 + (bandwidthMBps > 0 ? bytes / (bandwidthMBps * 1e3) : 0);
}

/** Bytes of the largest expert. */
export function largestExpert({ expertBytes, shape }: PlannerModel): number {
  return Math.max(...shape.moeLayers.map(expertBytes));
}

/** A link in words. */
export function tellLink({ bandwidthMBps, latencyUs }: LinkOptions): string {
  const speed = bandwidthMBps > 0 ? `${Math.round(bandwidthMBps)} MB/s` : "no limit";
  return latencyUs > 0 ? `${speed} after ${Math.round(latencyUs)} us` : speed;
}

/** Every expert, layer by layer: what a preloaded host memory holds, as far as it goes. */
function allKeys({ shape }: PlannerModel): number[] {
  return shape.moeLayers.flatMap((layer) =>
    Array.from({ length: shape.expertCount }, (_, expert) => layer * shape.expertCount + expert),
  );
}
