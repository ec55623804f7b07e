import { z } from "zod";

/** PCIe link of a GPU. An idle one lowers its generation: `Max` is what it runs at under load. */
const pcieSchema = z.object({
  generation: z.number().optional(),
  width: z.number().optional(),
  generationMax: z.number().optional(),
  widthMax: z.number().optional(),
});

/** Clocks when the machine was looked at, and the highest the card allows; MHz. */
const clocksSchema = z.object({
  smMHz: z.number().optional(),
  memoryMHz: z.number().optional(),
  smMaxMHz: z.number().optional(),
  memoryMaxMHz: z.number().optional(),
});

/**
 * A GPU as it is stored. Only the first three were recorded always; what a driver does not tell is
 * left out.
 */
export const gpuFactsSchema = z.object({
  name: z.string(),
  /** VRAM in all, bytes; 0 where the driver does not tell (memory shared with the processor). */
  memoryBytes: z.number(),
  driver: z.string(),
  /** VRAM that nobody held when the machine was looked at, bytes. */
  memoryFreeBytes: z.number().optional(),
  /** E.g. `9.0`. */
  computeCapability: z.string().optional(),
  /** Newest CUDA version that the driver runs, e.g. `13.0`. */
  cudaVersion: z.string().optional(),
  pcie: pcieSchema.optional(),
  clocks: clocksSchema.optional(),
  /** Power that the driver holds the card to, W. */
  powerLimitW: z.number().optional(),
});
export type GpuFacts = z.infer<typeof gpuFactsSchema>;

/** Back ends that compute on a GPU. */
export const GPU_BACKENDS = ["cuda", "vulkan"] as const;
export type GpuBackend = (typeof GPU_BACKENDS)[number];

/** The GPU that a config needs: one card must have all of it. */
export interface GpuRequirement {
  /** The back end that computes; a machine offers it as the tag `gpu:<device>`. */
  device: GpuBackend;
  /** VRAM of the card, bytes. */
  vramBytes?: number;
  /** Lowest compute capability, e.g. `8.0`. */
  computeCapability?: string;
  /** Lowest driver version, e.g. `580`. */
  driver?: string;
  /** Part of the card's name, e.g. `H100`; letters' case does not matter. */
  name?: string;
}

/** A version of numbers and dots, as requirements name it. */
export const VERSION_PATTERN = /^\d{1,9}(\.\d{1,9})*$/;

/** The capability tag of a back end. */
export const gpuTag = (device: GpuBackend): string => `gpu:${device}`;

/** True when a requirement asks for more than a back end, so that the cards must be looked at. */
export function namesCard(need: GpuRequirement): boolean {
  const { vramBytes = 0, computeCapability, driver, name } = need;
  return vramBytes > 0 || [computeCapability, driver, name].some((one) => one !== undefined);
}

/**
 * Why none of the cards will do, as the end of a sentence that begins with the machine; undefined
 * when one will. A requirement without a word about the card fits any machine.
 *
 * @param takenBytes VRAM that other runs have claimed, taken off every card: which card a run
 *   computes on is its own choice, so no card may be promised twice
 */
export function gpuMisfit(
  gpus: readonly GpuFacts[],
  need: GpuRequirement,
  takenBytes = 0,
): string | undefined {
  if (!namesCard(need)) return undefined;
  if (gpus.length === 0) return `has no GPU, ${tellGpuNeed(need)} is needed`;
  const lacks = gpus.map((gpu) => cardLacks(gpu, need, takenBytes));
  if (lacks.some((one) => one.length === 0)) return undefined;
  const told = [...new Set(gpus.map((gpu, i) => `${gpu.name} (${lacks[i]?.join(", ")})`))];
  return `has ${told.join(", ")}, but ${tellGpuNeed(need)} is needed`;
}

function cardLacks(gpu: GpuFacts, need: GpuRequirement, takenBytes: number): string[] {
  const { vramBytes = 0, computeCapability, driver, name } = need;
  const lacks: string[] = [];
  if (vramBytes > 0 && gpu.memoryBytes - takenBytes < vramBytes) {
    const all = gpu.memoryBytes > 0 ? gib(gpu.memoryBytes) : "VRAM unknown";
    lacks.push(takenBytes > 0 ? `${all}, ${gib(takenBytes)} of it claimed` : all);
  }
  if (computeCapability !== undefined && !reaches(gpu.computeCapability, computeCapability)) {
    lacks.push(`compute capability ${gpu.computeCapability ?? "unknown"}`);
  }
  if (driver !== undefined && !reaches(gpu.driver, driver)) lacks.push(`driver ${gpu.driver}`);
  if (name !== undefined && !gpu.name.toLowerCase().includes(name.toLowerCase())) {
    lacks.push("another card");
  }
  return lacks;
}

/** A requirement in words: `a GPU with 8.0 GiB of VRAM and compute capability 8.0`. */
export function tellGpuNeed(need: GpuRequirement): string {
  const { vramBytes = 0, computeCapability, driver, name } = need;
  const parts = [
    ...(vramBytes > 0 ? [`${gib(vramBytes)} of VRAM`] : []),
    ...(computeCapability === undefined ? [] : [`compute capability ${computeCapability}`]),
    ...(driver === undefined ? [] : [`driver ${driver}`]),
  ];
  const card = name === undefined ? "a GPU" : `a GPU named ${name}`;
  return parts.length === 0 ? card : `${card} with ${parts.join(" and ")}`;
}

/** True when `have` is a version and not lower than `least`, number by number. */
function reaches(have: string | undefined, least: string): boolean {
  if (have === undefined || !VERSION_PATTERN.test(have) || !VERSION_PATTERN.test(least)) {
    return false;
  }
  const [a, b] = [have, least].map((text) => text.split(".").map(Number)) as [number[], number[]];
  const at = b.findIndex((part, i) => part !== a[i]);
  return at < 0 || (a[at] ?? -1) > (b[at] ?? 0);
}

const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
