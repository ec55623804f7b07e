import type { Device, GgmlLibrary } from "@fmlab/ggml";
import { EngineError } from "../errors.ts";
import type { DeviceName } from "./device-names.ts";

const REMEDIES = {
  cpu: "the CPU back end of ggml is missing beside its library",
  cuda:
    "it needs an NVIDIA card with its driver, CUDA's runtime and cuBLAS (libcudart, libcublas), and " +
    "ggml's CUDA build named by GGML_LIB_DIR or in a bundle for CUDA",
  vulkan:
    "it needs a card with a Vulkan driver and loader (libvulkan1), and ggml's Vulkan build named by " +
    "GGML_LIB_DIR or in a bundle for Vulkan",
} as const;

/**
 * The device that a model is to be computed on.
 * @throws EngineError `NO_DEVICE` with what there is and what is missing
 */
export function findDevice(library: GgmlLibrary, name: DeviceName): Device {
  const found = library.find(name);
  if (found) return found;
  const there = library.devices.map((device) => `${device.name} (${device.description})`);
  throw new EngineError(
    `there is no ${name} device on this machine; found: ${there.join(", ")}. To compute there, ` +
      REMEDIES[name],
    { code: "NO_DEVICE", device: name, found: there },
  );
}
