import type { GpuFacts } from "@fmlab/experiment";
import { formatBytes } from "./number.ts";

/** A GPU in short: `NVIDIA H100 PCIe, 79.6 GiB`; VRAM that the driver does not tell is left out. */
export function gpuInShort({ name, memoryBytes }: GpuFacts): string {
  return memoryBytes > 0 ? `${name}, ${formatBytes(memoryBytes)}` : name;
}

/** All that is known of a GPU, as names and values. */
export function gpuFacts(gpu: GpuFacts): [name: string, value: string][] {
  const { computeCapability, cudaVersion, driver, memoryFreeBytes, powerLimitW } = gpu;
  return [
    ["VRAM", vram(gpu.memoryBytes, memoryFreeBytes)],
    ["Compute capability", computeCapability],
    ["Driver", cudaVersion === undefined ? driver : `${driver}, CUDA up to ${cudaVersion}`],
    ["Link", link(gpu.pcie)],
    ["Clocks", clocks(gpu.clocks)],
    ["Power limit", powerLimitW === undefined ? undefined : `${Math.round(powerLimitW)} W`],
  ].flatMap(([name, value]): [string, string][] =>
    name === undefined || value === undefined ? [] : [[name, value]],
  );
}

function vram(totalBytes: number, freeBytes: number | undefined): string {
  if (totalBytes <= 0) return "not told by the driver";
  const free = freeBytes === undefined ? "" : `, ${formatBytes(freeBytes)} free at the start`;
  return `${formatBytes(totalBytes)}${free}`;
}

function link(pcie: GpuFacts["pcie"]): string | undefined {
  if (pcie === undefined) return undefined;
  const { generation, generationMax, width, widthMax } = pcie;
  const best = `PCIe ${generationMax ?? "?"} × ${widthMax ?? "?"}`;
  const isLess = generation !== generationMax || width !== widthMax;
  if (!isLess || generation === undefined) return best;
  return `${best}; ${generation} × ${width ?? "?"} when looked at`;
}

function clocks(told: GpuFacts["clocks"]): string | undefined {
  const parts = [
    ...(told?.smMaxMHz === undefined ? [] : [`SM up to ${told.smMaxMHz} MHz`]),
    ...(told?.memoryMaxMHz === undefined ? [] : [`memory up to ${told.memoryMaxMHz} MHz`]),
  ];
  return parts.length === 0 ? undefined : parts.join(", ");
}
