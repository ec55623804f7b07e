import { Device, type DeviceApi } from "./device.ts";
import { GgmlError } from "./errors.ts";
import { findLibraries, type LibraryPaths } from "./library-path.ts";
import { Foreign, type Native } from "./native.ts";
import { TENSOR_TYPE } from "./tensor-types.ts";

/** Byte offsets inside `struct ggml_tensor`, measured on x86-64 and checked before use. */
export const TENSOR_STRUCT = { type: 0, shape: 16, strides: 48, data: 248 } as const;

/**
 * ggml, loaded into this process. One object per thread and folder: {@link GgmlLibrary.load}.
 *
 * The libraries themselves are shared by all threads of the process. Their device registry is not
 * guarded against two threads that load it at the same instant: when several worker threads start
 * together, call `GgmlLibrary.load()` in the main thread before.
 */
export class GgmlLibrary {
  static readonly #loaded = new Map<string, GgmlLibrary>();

  readonly directory: string;
  readonly foreign: Foreign;
  readonly native: Native;
  /** Every device the back ends beside the library offer; the CPU is always among them. */
  readonly devices: readonly Device[];

  /**
   * Loads ggml from `GGML_LIB_DIR` or from the installed `@node-llama-cpp` package.
   * @throws GgmlError `LIBRARY_NOT_FOUND` | `LIBRARY_INCOMPATIBLE`
   */
  static load(env: Record<string, string | undefined> = process.env): GgmlLibrary {
    const paths = findLibraries(env);
    let library = GgmlLibrary.#loaded.get(paths.directory);
    if (!library) {
      library = new GgmlLibrary(paths, env.GGML_LOG === "1");
      GgmlLibrary.#loaded.set(paths.directory, library);
    }
    return library;
  }

  private constructor(paths: LibraryPaths, keepLog: boolean) {
    this.directory = paths.directory;
    this.foreign = new Foreign(paths);
    this.native = this.foreign.functions;
    if (!keepLog) this.#silenceLog();
    this.#checkLayout();
    if (this.native.ggml_backend_dev_count() === 0) {
      this.native.ggml_backend_load_all_from_path(paths.directory);
    }
    const count = Number(this.native.ggml_backend_dev_count());
    this.devices = Array.from(
      { length: count },
      (_, index) => new Device(this, this.native.ggml_backend_dev_get(index)),
    );
    // A card's library ends the process on a failure, and says why in its log alone.
    if (!keepLog && this.devices.some(({ kind }) => kind !== "cpu")) this.#keepLog();
  }

  /** The version of ggml, e.g. `0.9.4`. */
  get version(): string {
    return this.native.ggml_version();
  }

  /**
   * The CPU device.
   * @throws GgmlError `LIBRARY_INCOMPATIBLE` when no CPU back end lies beside the library
   */
  get cpu(): Device {
    const cpu = this.devices.find((device) => device.kind === "cpu");
    if (!cpu) throw this.#incompatible("no CPU back end (libggml-cpu*) lies beside libggml");
    return cpu;
  }

  /** The first device of a back end; undefined when there is none on this machine. */
  find(api: DeviceApi): Device | undefined {
    return this.devices.find((device) => device.api === api);
  }

  // ggml calls its log function from compute threads, where JavaScript cannot run. A pure C
  // function whose first argument is an int serves as a sink until cards have been found and told
  // of; `GGML_LOG=1` keeps those messages too.
  #silenceLog(): void {
    this.native.ggml_log_set(this.foreign.addressOfFunction("ggml_status_to_string"), null);
  }

  /** The library's own log function writes to standard error. */
  #keepLog(): void {
    this.native.ggml_log_set(null, null);
  }

  // A library with other structs would corrupt memory silently; a tensor with known numbers tells.
  #checkLayout(): void {
    const { native, foreign } = this;
    const context = native.ggml_init({ mem_size: 65_536, mem_buffer: null, no_alloc: true });
    if (!context) throw this.#incompatible("ggml_init failed");
    const shape = [3, 5, 7, 2] as const;
    const tensor = native.ggml_new_tensor_4d(context, TENSOR_TYPE.F16, ...shape);
    const expected = [...shape, 2, 6, 30, 210];
    const actual = expected.map((_, index) =>
      Number(foreign.int64At(tensor, TENSOR_STRUCT.shape + 8 * index)),
    );
    const type = foreign.int32At(tensor, TENSOR_STRUCT.type);
    native.ggml_free(context);
    if (type !== TENSOR_TYPE.F16 || actual.some((value, index) => value !== expected[index])) {
      throw this.#incompatible("struct ggml_tensor has another layout");
    }
  }

  #incompatible(problem: string): GgmlError {
    return new GgmlError(
      `ggml in ${this.directory} cannot be used: ${problem}; ` +
        "use the build in @node-llama-cpp 3.14.5 or a compatible one",
      { code: "LIBRARY_INCOMPATIBLE", directory: this.directory, problem },
    );
  }
}

/** Whether ggml can be used on this machine, and if not, why; never throws, never crashes. */
export function ggmlAvailability(
  env: Record<string, string | undefined> = process.env,
): { available: true; version: string; directory: string } | { available: false; reason: string } {
  try {
    const library = GgmlLibrary.load(env);
    return { available: true, version: library.version, directory: library.directory };
  } catch (error) {
    if (error instanceof GgmlError) return { available: false, reason: error.message };
    throw error;
  }
}

/** True when {@link GgmlLibrary.load} works on this machine. */
export function isGgmlAvailable(env: Record<string, string | undefined> = process.env): boolean {
  return ggmlAvailability(env).available;
}
