import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

const TIMEOUT_MS = 60_000;

/** A device that ggml computes on. */
export interface FoundDevice {
  name: string;
  description: string;
  api: string;
  kind: string;
  freeBytes: number;
  totalBytes: number;
}

/** Whether a back end beside ggml can be used; what the linker says when it cannot be loaded. */
export type BackEndReport = { api: "cuda" | "vulkan" } & (
  | { state: "works" | "no device" | "not built" }
  | { state: "broken"; problem: string }
);

type Outcome<T> = { value: T } | { problem: string };

/** What ggml finds on this machine. */
export interface DeviceReport {
  /** koffi's version. */
  koffi: Outcome<string>;
  ggml: Outcome<{ directory: string; version: string }>;
  devices: FoundDevice[];
  backEnds: BackEndReport[];
}

/**
 * Loads ggml with all its back ends in a process of its own, since a driver may end the process
 * that asks it, and tells what it found. Never throws: what went wrong is in the report.
 */
export function probeDevices(
  env: NodeJS.ProcessEnv = process.env,
  entry: URL = new URL("./device-probe.mjs", import.meta.url),
): Promise<DeviceReport> {
  const child = fork(fileURLToPath(entry), [], {
    env,
    execArgv: [],
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    timeout: TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
  let said = "";
  child.stderr?.on("data", (bytes: Buffer) => (said += bytes.toString()));
  return new Promise((resolve) => {
    let report: DeviceReport | undefined;
    child.once("message", (message) => {
      report = message as DeviceReport;
    });
    child.once("error", (error) => resolve(nothing(error.message)));
    child.once("close", (exitCode, signal) => {
      const how = `the process that loads it ended (${signal ?? `exit code ${exitCode}`})`;
      resolve(report ?? nothing(`${how}: ${said.trim().slice(-500) || "it said nothing"}`));
    });
  });
}

function nothing(problem: string): DeviceReport {
  return { koffi: { problem }, ggml: { problem }, devices: [], backEnds: [] };
}
