import type { GpuFacts } from "@fmlab/experiment";
import type { GpuReader, GpuSample } from "./gpu-reader.ts";
import { CHIP, CLOCK, Nvml, type NvmlDevice, PCIE } from "./nvml.ts";
import { visibleGpus } from "./visible-gpus.ts";

/** Reads NVIDIA GPUs through the driver's own library. */
export class NvmlReader implements GpuReader {
  readonly source = "NVML";
  readonly intervalMsMin = 0;
  readonly #nvml: Nvml;
  readonly #devices: readonly NvmlDevice[];

  private constructor(nvml: Nvml, devices: readonly NvmlDevice[]) {
    this.#nvml = nvml;
    this.#devices = devices;
  }

  /** The cards this process may use; undefined where NVML is not there or lists none of them. */
  static async open(env: NodeJS.ProcessEnv): Promise<NvmlReader | undefined> {
    const nvml = await Nvml.open(env);
    if (nvml === undefined) return undefined;
    const all = await nvml.devices();
    const uuids: string[] = [];
    for (const device of all) uuids.push((await nvml.text("nvmlDeviceGetUUID", device)) ?? "");
    const devices = visibleGpus(uuids, env.CUDA_VISIBLE_DEVICES).flatMap((i) => all[i] ?? []);
    return devices.length === 0 ? undefined : new NvmlReader(nvml, devices);
  }

  async facts(): Promise<GpuFacts[]> {
    const driver = (await this.#nvml.text("nvmlSystemGetDriverVersion")) ?? "unknown";
    const cuda = await this.#nvml.number("nvmlSystemGetCudaDriverVersion_v2");
    const facts: GpuFacts[] = [];
    for (const device of this.#devices) {
      const one = await this.#factsOf(device);
      // 13000 is 13.0, 12040 is 12.4.
      const cudaVersion = cuda && `${Math.floor(cuda / 1_000)}.${Math.floor((cuda % 1_000) / 10)}`;
      facts.push(defined({ ...one, driver, cudaVersion: cudaVersion || undefined }));
    }
    return facts;
  }

  sample(): Promise<GpuSample[]> {
    return Promise.all(this.#devices.map((device) => this.#sampleOf(device)));
  }

  async #factsOf(device: NvmlDevice): Promise<Omit<GpuFacts, "driver" | "cudaVersion">> {
    const nvml = this.#nvml;
    const number = (name: string, ...args: unknown[]) => nvml.number(name, device, ...args);
    const memory = await nvml.memory(device);
    const capability = await nvml.numbers("nvmlDeviceGetCudaComputeCapability", 2, device);
    const limitMilliwatt = await number("nvmlDeviceGetEnforcedPowerLimit");
    return {
      name: (await nvml.text("nvmlDeviceGetName", device)) ?? "unknown GPU",
      memoryBytes: memory?.totalBytes ?? 0,
      memoryFreeBytes: memory?.freeBytes,
      computeCapability: capability?.join("."),
      pcie: defined({
        generation: await number("nvmlDeviceGetCurrPcieLinkGeneration"),
        width: await number("nvmlDeviceGetCurrPcieLinkWidth"),
        generationMax: await number("nvmlDeviceGetMaxPcieLinkGeneration"),
        widthMax: await number("nvmlDeviceGetMaxPcieLinkWidth"),
      }),
      clocks: defined({
        smMHz: await number("nvmlDeviceGetClockInfo", CLOCK.sm),
        memoryMHz: await number("nvmlDeviceGetClockInfo", CLOCK.memory),
        smMaxMHz: await number("nvmlDeviceGetMaxClockInfo", CLOCK.sm),
        memoryMaxMHz: await number("nvmlDeviceGetMaxClockInfo", CLOCK.memory),
      }),
      powerLimitW: scaled(limitMilliwatt, 1_000),
    };
  }

  async #sampleOf(device: NvmlDevice): Promise<GpuSample> {
    const nvml = this.#nvml;
    const number = (name: string, ...args: unknown[]) => nvml.number(name, device, ...args);
    const utilisation = await nvml.utilisation(device);
    const memory = await nvml.memory(device);
    const milliwatt = await number("nvmlDeviceGetPowerUsage");
    return defined({
      gpuUtilisation: utilisation?.gpuPercent,
      gpuMemoryUtilisation: utilisation?.memoryPercent,
      gpuVramBytes: memory && memory.totalBytes - memory.freeBytes,
      gpuPowerW: scaled(milliwatt, 1_000),
      gpuSmClockMHz: await number("nvmlDeviceGetClockInfo", CLOCK.sm),
      gpuMemoryClockMHz: await number("nvmlDeviceGetClockInfo", CLOCK.memory),
      gpuTemperatureC: await number("nvmlDeviceGetTemperature", CHIP),
      gpuPcieGeneration: await number("nvmlDeviceGetCurrPcieLinkGeneration"),
      // KB/s, where NVIDIA's KB is taken as 1,000 bytes.
      gpuPcieRxMBps: scaled(await number("nvmlDeviceGetPcieThroughput", PCIE.rx), 1_000),
      gpuPcieTxMBps: scaled(await number("nvmlDeviceGetPcieThroughput", PCIE.tx), 1_000),
    });
  }
}

const scaled = (value: number | undefined, by: number): number | undefined =>
  value === undefined ? undefined : value / by;

/** The same without its undefined entries, so that what is unknown is not stored at all. */
function defined<T extends object>(entries: T): T {
  return Object.fromEntries(Object.entries(entries).filter(([, v]) => v !== undefined)) as T;
}
