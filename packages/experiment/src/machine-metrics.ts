import type { MetricSpec } from "./metrics.ts";

const counter = (title: string, unit: string, help: string): MetricSpec => ({
  title,
  unit,
  better: "none",
  help: `${help} Of the whole card, whichever process uses it.`,
  measured: true,
  step: "seconds",
});

/**
 * What the runner itself measures while a run goes, whatever the experiment: no definition declares
 * these names, and none may. Steps are seconds since the run's start. On a machine with several
 * GPUs each has a curve of its own, labelled `gpu=0` and so on; what a driver does not tell has no
 * curve.
 */
export const MACHINE_METRICS = {
  gpuUtilisation: counter(
    "GPU utilisation",
    "%",
    "Share of the driver's last sampling period in which a kernel ran.",
  ),
  gpuVramBytes: counter("VRAM used", "B", "VRAM that is not free."),
  gpuPcieRxMBps: counter("Link to the GPU", "MB/s", "Bytes over PCIe to the card, over 20 ms."),
  gpuPcieTxMBps: counter("Link from the GPU", "MB/s", "Bytes over PCIe from the card, over 20 ms."),
  gpuMemoryUtilisation: counter(
    "GPU memory controller",
    "%",
    "Share of the driver's last sampling period in which VRAM was read or written.",
  ),
  gpuPowerW: counter("GPU power", "W", "Power the card draws."),
  gpuSmClockMHz: counter("GPU SM clock", "MHz", "Clock of the streaming multiprocessors."),
  gpuMemoryClockMHz: counter("GPU memory clock", "MHz", "Clock of VRAM."),
  gpuTemperatureC: counter("GPU temperature", "°C", "Temperature of the chip."),
  gpuPcieGeneration: counter("PCIe generation", "", "Generation the link runs at just now."),
} as const satisfies Record<string, MetricSpec>;

/** Name of a metric that the runner measures. */
export type MachineMetricKey = keyof typeof MACHINE_METRICS;

/** True for `gpuPowerW` and for `gpuPowerW{gpu=1}`. */
export function isMachineMetric(key: string): boolean {
  return Object.hasOwn(MACHINE_METRICS, key.replace(/\{.*$/, ""));
}
