import { type Check, optional, required } from "./check.ts";
import type { CudaRuntime } from "./cuda-runtime.ts";
import type { BackEndReport, DeviceReport, FoundDevice } from "./device-probe.ts";

const GIB = 1024 ** 3;
const TITLES = { cuda: "CUDA", vulkan: "Vulkan" } as const;
const VULKAN_PACKAGES =
  "apt-get install libvulkan1 libegl1 libglvnd0 libopengl0 libgl1 libglx0 libgles2";

/**
 * What can be computed on here: koffi, ggml's CPU, CUDA and Vulkan, each with the reason if not.
 *
 * @param findCuda only asked where there is a CUDA back end to load it
 */
export function deviceChecks(report: DeviceReport, findCuda: () => CudaRuntime): Check[] {
  const { backEnds, devices, ggml, koffi } = report;
  return [
    "value" in koffi
      ? required("koffi", true, koffi.value)
      : required("koffi", false, koffi.problem),
    "value" in ggml
      ? required("ggml", true, `${ggml.value.version} in ${ggml.value.directory}`)
      : required("ggml", false, ggml.problem),
    ...cpuChecks(devices),
    ...backEnds.map((one) => backEndCheck(one, devices)),
    ...backEnds
      .filter((one) => one.api === "cuda" && one.state !== "not built")
      .map((one) => runtimeCheck(one, findCuda())),
  ];
}

function cpuChecks(devices: readonly FoundDevice[]): Check[] {
  const cpu = devices.filter((device) => device.api === "cpu");
  return cpu.length === 0 ? [] : [required("ggml CPU", true, tellDevices(cpu))];
}

function backEndCheck(backEnd: BackEndReport, devices: readonly FoundDevice[]): Check {
  const { api } = backEnd;
  const what = `ggml ${TITLES[api]}`;
  switch (backEnd.state) {
    case "works":
      return required(what, true, tellDevices(devices.filter((device) => device.api === api)));
    case "not built":
      return optional(
        what,
        false,
        `these libraries have no ${TITLES[api]}; make a bundle with --gpu ${api}, or name a build ` +
          "that has it with GGML_LIB_DIR",
      );
    case "no device":
      return optional(what, false, `it loads and finds no device; ${REMEDY[api].device}`);
    case "broken":
      return required(what, false, `${backEnd.problem}; ${libraryRemedy(api, backEnd.problem)}`);
  }
}

const REMEDY = {
  cuda: {
    device: "see nvidia-smi and CUDA_VISIBLE_DEVICES; the driver must know CUDA 13 (580 or newer)",
    library: "CUDA's runtime and cuBLAS of version 13 have to be installed",
  },
  vulkan: {
    device:
      "a driver's ICD file is missing (VK_DRIVER_FILES names one); a driver that computes on the " +
      "processor is only used with GGML_VK_VISIBLE_DEVICES=0",
    library: `the Vulkan loader is missing: ${VULKAN_PACKAGES}`,
  },
} as const;

function libraryRemedy(api: "cuda" | "vulkan", problem: string): string {
  if (!problem.includes("libcuda.so.1")) return REMEDY[api].library;
  return "that is NVIDIA's driver: install it, or give the container the GPU";
}

function runtimeCheck(backEnd: BackEndReport, cuda: CudaRuntime): Check {
  const what = "CUDA runtime";
  const folders = [...new Set(Object.values(cuda.found))];
  if (cuda.missing.length === 0) {
    const isTold = cuda.folders.length === 0 || backEnd.state === "works";
    const hint = `; set LD_LIBRARY_PATH=${cuda.folders.join(":")} so that it is found`;
    return optional(what, true, `${folders.join(", ")}${isTold ? "" : hint}`);
  }
  const told =
    `${cuda.missing.join(", ")} not found; install CUDA 13, or ` +
    "pip install nvidia-cuda-runtime nvidia-cublas (13.*), or name their folder in LD_LIBRARY_PATH";
  return backEnd.state === "broken" ? required(what, false, told) : optional(what, false, told);
}

function tellDevices(devices: readonly FoundDevice[]): string {
  return devices
    .map(({ description, freeBytes, name, totalBytes }) => {
      const memory = `${gibibytes(totalBytes)} (${gibibytes(freeBytes)} free)`;
      return `${name} ${description.trim()}, ${memory}`;
    })
    .join("; ");
}

function gibibytes(bytes: number): string {
  return `${(bytes / GIB).toFixed(1)} GiB`;
}
