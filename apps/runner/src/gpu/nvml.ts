import { createRequire } from "node:module";

/** The part of koffi that is used here. */
interface Koffi {
  load(path: string): { func(declaration: string): NvmlFunction };
}
interface NvmlFunction {
  async(...args: [...unknown[], (error: unknown, result: number) => void]): void;
}

/** `nvmlDevice_t`, an address. */
export type NvmlDevice = bigint;

/** What NVML is asked; each returns 0 for success. A library may lack some of the later ones. */
const NEEDED = [
  "int nvmlInit_v2()",
  "int nvmlDeviceGetCount_v2(void*)",
  "int nvmlDeviceGetHandleByIndex_v2(unsigned int, void*)",
  "int nvmlDeviceGetName(void*, void*, unsigned int)",
  "int nvmlSystemGetDriverVersion(void*, unsigned int)",
];
const OPTIONAL = [
  "int nvmlSystemGetCudaDriverVersion_v2(void*)",
  "int nvmlDeviceGetUUID(void*, void*, unsigned int)",
  "int nvmlDeviceGetMemoryInfo(void*, void*)",
  "int nvmlDeviceGetCudaComputeCapability(void*, void*, void*)",
  "int nvmlDeviceGetCurrPcieLinkGeneration(void*, void*)",
  "int nvmlDeviceGetCurrPcieLinkWidth(void*, void*)",
  "int nvmlDeviceGetMaxPcieLinkGeneration(void*, void*)",
  "int nvmlDeviceGetMaxPcieLinkWidth(void*, void*)",
  "int nvmlDeviceGetClockInfo(void*, int, void*)",
  "int nvmlDeviceGetMaxClockInfo(void*, int, void*)",
  "int nvmlDeviceGetEnforcedPowerLimit(void*, void*)",
  "int nvmlDeviceGetUtilizationRates(void*, void*)",
  "int nvmlDeviceGetPowerUsage(void*, void*)",
  "int nvmlDeviceGetTemperature(void*, int, void*)",
  "int nvmlDeviceGetPcieThroughput(void*, int, void*)",
];

const LIBRARIES: Partial<Record<NodeJS.Platform, readonly string[]>> = {
  linux: ["libnvidia-ml.so.1", "/usr/lib/wsl/lib/libnvidia-ml.so.1"],
  win32: ["nvml.dll"],
};

/** `nvmlClockType_t`. */
export const CLOCK = { sm: 1, memory: 2 } as const;
/** `nvmlPcieUtilCounter_t`, as the card sees it: it sends, it receives. */
export const PCIE = { tx: 0, rx: 1 } as const;
/** `NVML_TEMPERATURE_GPU` */
export const CHIP = 0;

const TEXT_BYTES = 96;

/**
 * NVIDIA's management library (NVML), loaded from the driver. Its calls may block for some
 * milliseconds, the PCIe counters for 20, so that all are made on threads of koffi's and awaited.
 * It is never shut down: it lives as long as the process.
 */
export class Nvml {
  readonly #functions: ReadonlyMap<string, NvmlFunction>;

  private constructor(functions: ReadonlyMap<string, NvmlFunction>) {
    this.#functions = functions;
  }

  /** Loads NVML and starts it; undefined on a machine without it, or where it does not start. */
  static async open(env: NodeJS.ProcessEnv): Promise<Nvml | undefined> {
    const given = env.FMLAB_NVML_LIBRARY;
    const paths = given ? [given] : (LIBRARIES[process.platform] ?? []);
    for (const path of paths) {
      const functions = bindAll(path);
      if (functions === undefined) continue;
      const nvml = new Nvml(functions);
      if (await nvml.does("nvmlInit_v2")) return nvml;
    }
    return undefined;
  }

  /** Calls a function; true when it succeeded. */
  async does(name: string, ...args: unknown[]): Promise<boolean> {
    const called = this.#functions.get(name);
    if (called === undefined) return false;
    return new Promise((resolve, reject) => {
      called.async(...args, (error, result) => {
        if (error) reject(error);
        else resolve(result === 0);
      });
    });
  }

  /**
   * Calls a function whose last arguments each point to an unsigned 32-bit number.
   *
   * @returns the numbers; undefined when the driver or the card does not tell them
   */
  async numbers(name: string, count: number, ...args: unknown[]): Promise<number[] | undefined> {
    const memory = Array.from({ length: count }, () => new Uint32Array(1));
    if (!(await this.does(name, ...args, ...memory))) return undefined;
    return memory.map(([value = 0]) => value);
  }

  /** One such number. */
  async number(name: string, ...args: unknown[]): Promise<number | undefined> {
    return (await this.numbers(name, 1, ...args))?.[0];
  }

  /** A text that the function writes where it is told, with the room there is. */
  async text(name: string, ...args: unknown[]): Promise<string | undefined> {
    const memory = new Uint8Array(TEXT_BYTES);
    if (!(await this.does(name, ...args, memory, TEXT_BYTES))) return undefined;
    const end = memory.indexOf(0);
    return Buffer.from(memory.subarray(0, end < 0 ? TEXT_BYTES : end)).toString();
  }

  /** Every card, in the order of their addresses on the bus; those it refuses are left out. */
  async devices(): Promise<NvmlDevice[]> {
    const count = (await this.number("nvmlDeviceGetCount_v2")) ?? 0;
    const devices: NvmlDevice[] = [];
    for (let index = 0; index < count; index++) {
      const memory = new BigUint64Array(1);
      const isThere = await this.does("nvmlDeviceGetHandleByIndex_v2", index, memory);
      if (isThere && memory[0] !== undefined) devices.push(memory[0]);
    }
    return devices;
  }

  /** `nvmlMemory_t`: VRAM of a card, bytes. */
  async memory(device: NvmlDevice): Promise<{ totalBytes: number; freeBytes: number } | undefined> {
    const memory = new BigUint64Array(3);
    if (!(await this.does("nvmlDeviceGetMemoryInfo", device, memory))) return undefined;
    return { totalBytes: Number(memory[0]), freeBytes: Number(memory[1]) };
  }

  /** `nvmlUtilization_t`: how busy kernels and VRAM were in the last sampling period, %. */
  async utilisation(
    device: NvmlDevice,
  ): Promise<{ gpuPercent: number; memoryPercent: number } | undefined> {
    const memory = new Uint32Array(2);
    if (!(await this.does("nvmlDeviceGetUtilizationRates", device, memory))) return undefined;
    return { gpuPercent: memory[0] ?? 0, memoryPercent: memory[1] ?? 0 };
  }
}

function bindAll(path: string): ReadonlyMap<string, NvmlFunction> | undefined {
  const functions = new Map<string, NvmlFunction>();
  try {
    // Loaded on first use: machines without a GPU, or without a build of koffi, never need it.
    const koffi = createRequire(import.meta.url)("koffi") as Koffi;
    const library = koffi.load(path);
    for (const declaration of NEEDED) functions.set(nameIn(declaration), library.func(declaration));
    for (const declaration of OPTIONAL) {
      try {
        functions.set(nameIn(declaration), library.func(declaration));
      } catch {
        // An older driver: what this function tells stays unknown.
      }
    }
    return functions;
  } catch {
    // No driver here, or nothing that is NVML.
    return undefined;
  }
}

const nameIn = (declaration: string): string => /(\w+)\(/.exec(declaration)?.[1] ?? "";
