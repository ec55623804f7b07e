import type { GpuFacts } from "@fmlab/experiment";
import type { GpuSample } from "./gpu-reader.ts";

/** What nvidia-smi is asked for with `--query-gpu`, in this order. */
export const SMI_FIELDS = [
  "name",
  "uuid",
  "memory.total",
  "memory.free",
  "driver_version",
  "compute_cap",
  "pcie.link.gen.current",
  "pcie.link.gen.max",
  "pcie.link.width.current",
  "pcie.link.width.max",
  "clocks.current.sm",
  "clocks.current.memory",
  "clocks.max.sm",
  "clocks.max.memory",
  "enforced.power.limit",
] as const;
/** The part of them that every driver knows; an unknown field makes nvidia-smi refuse them all. */
export const SMI_FIELDS_OLD = ["name", "uuid", "memory.total", "driver_version"] as const;

const MIB = 1024 * 1024;

/** A card as nvidia-smi tells it, with the name CUDA knows it by. */
export interface SmiGpu {
  uuid: string;
  facts: GpuFacts;
}

/**
 * Reads `nvidia-smi --query-gpu=<fields> --format=csv,noheader,nounits`. Lines that are no card,
 * such as `No devices were found`, are left out, and so are values such as `[N/A]`.
 */
export function parseSmiCsv(csv: string, fields: readonly string[]): SmiGpu[] {
  return csv.split("\n").flatMap((line) => {
    const parts = line.split(",").map((part) => part.trim());
    if (parts.length !== fields.length) return [];
    const text = (field: string) => known(parts[fields.indexOf(field)]);
    const number = (field: string) => numberIn(text(field));
    const mebibytes = (field: string) => times(number(field), MIB);
    const name = text("name");
    const driver = text("driver_version");
    if (name === undefined || driver === undefined) return [];
    const facts: GpuFacts = {
      name,
      memoryBytes: mebibytes("memory.total") ?? 0,
      driver,
      memoryFreeBytes: mebibytes("memory.free"),
      computeCapability: text("compute_cap"),
      pcie: someOf({
        generation: number("pcie.link.gen.current"),
        width: number("pcie.link.width.current"),
        generationMax: number("pcie.link.gen.max"),
        widthMax: number("pcie.link.width.max"),
      }),
      clocks: someOf({
        smMHz: number("clocks.current.sm"),
        memoryMHz: number("clocks.current.memory"),
        smMaxMHz: number("clocks.max.sm"),
        memoryMaxMHz: number("clocks.max.memory"),
      }),
      powerLimitW: number("enforced.power.limit"),
    };
    return [{ uuid: text("uuid") ?? "", facts: someOf(facts) ?? facts }];
  });
}

/** What only the XML of `nvidia-smi -q -x` tells: the CUDA version, and samples with PCIe rates. */
export interface SmiLog {
  cudaVersion: string | undefined;
  gpus: { uuid: string; sample: GpuSample }[];
}

/** Reads `nvidia-smi -q -x`; its elements have neither attributes that matter nor entities. */
export function parseSmiXml(xml: string): SmiLog {
  const gpus = [...xml.matchAll(/<gpu id="[^"]*">(.*?)<\/gpu>/gs)].map(([, gpu = ""]) => ({
    uuid: tag(gpu, "uuid") ?? "",
    sample: sampleIn(gpu),
  }));
  return { cudaVersion: tag(xml, "cuda_version"), gpus };
}

function sampleIn(gpu: string): GpuSample {
  const number = (section: string, name: string) => numberIn(tag(inner(gpu, section), name));
  const power = inner(gpu, "gpu_power_readings") || inner(gpu, "power_readings");
  const draws = ["instant_power_draw", "power_draw", "average_power_draw"];
  const total = number("fb_memory_usage", "total");
  const free = number("fb_memory_usage", "free");
  const rateMBps = (name: string) => times(number("pci", name), 1 / 1_000);
  const sample: GpuSample = {
    gpuUtilisation: number("utilization", "gpu_util"),
    gpuMemoryUtilisation: number("utilization", "memory_util"),
    gpuVramBytes: total === undefined || free === undefined ? undefined : (total - free) * MIB,
    gpuPowerW: draws.map((name) => numberIn(tag(power, name))).find((w) => w !== undefined),
    gpuSmClockMHz: number("clocks", "sm_clock"),
    gpuMemoryClockMHz: number("clocks", "mem_clock"),
    gpuTemperatureC: number("temperature", "gpu_temp"),
    gpuPcieRxMBps: rateMBps("rx_util"),
    gpuPcieTxMBps: rateMBps("tx_util"),
    gpuPcieGeneration: number("pcie_gen", "current_link_gen"),
  };
  return someOf(sample) ?? {};
}

function inner(xml: string, name: string): string {
  return new RegExp(`<${name}>(.*?)</${name}>`, "s").exec(xml)?.[1] ?? "";
}

const tag = (xml: string, name: string): string | undefined => known(inner(xml, name).trim());

/** nvidia-smi writes `N/A`, `[N/A]`, `[Not Supported]` and the like for what it cannot tell. */
function known(text: string | undefined): string | undefined {
  return text === undefined || text === "" || text === "N/A" || text.startsWith("[")
    ? undefined
    : text;
}

/** The number that a text such as `350.00 W` or `16x` begins with. */
function numberIn(text: string | undefined): number | undefined {
  const found = /^\d+(\.\d+)?/.exec(text ?? "");
  return found === null ? undefined : Number(found[0]);
}

const times = (value: number | undefined, by: number): number | undefined =>
  value === undefined ? undefined : value * by;

/** The same without its undefined entries; undefined when nothing is left. */
function someOf<T extends object>(entries: T): T | undefined {
  const left = Object.entries(entries).filter(([, value]) => value !== undefined);
  return left.length === 0 ? undefined : (Object.fromEntries(left) as T);
}
