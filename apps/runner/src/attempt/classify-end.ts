import type { Failure } from "@fmlab/experiment";
import type { AbortCause, ChildResult } from "../child/child-messages.ts";

/** The states that an attempt can end in on the machine that ran it. */
export type EndState = "SUCCEEDED" | "FAILED" | "CANCELLED" | "TIMED_OUT";

/** What was seen of a child's end. */
export interface ChildEnd {
  /** What the child itself reported, when it came to that. */
  result: ChildResult | undefined;
  exitCode: number | null;
  signal: NodeJS.Signals | null;
  /** The last of what it wrote on stderr. */
  stderrTail: string;
  /** Why its run was aborted, if it was. */
  abort: AbortCause | undefined;
  /** The agent that ran it is stopping. */
  isHandedBack: boolean;
  /** How often the kernel's out-of-memory killer struck while it ran; NaN when not known. */
  oomKills: number;
  timeLimitSec: number;
}

/** Signatures of a process that ran out of memory by its own account. */
const OUT_OF_MEMORY = [
  /JavaScript heap out of memory/,
  /FATAL ERROR: .*(?:Allocation failed|out of memory)/i,
  /std::bad_alloc/,
  /ggml_\w+: failed to allocate/i,
  /cannot allocate memory/i,
];

/** Signatures of a process that ran out of a GPU's memory: ggml's CUDA and Vulkan, cuBLAS. */
const OUT_OF_VRAM = [
  /cudaMalloc failed: out of memory/,
  /CUDA error: out of memory/i,
  /CUBLAS_STATUS_ALLOC_FAILED/,
  /ErrorOutOfDeviceMemory/,
];

/** How an attempt ended, told apart by what the child said and how its process died. */
export function classifyEnd(end: ChildEnd): { state: EndState; failure: Failure | null } {
  if (end.abort === "cancelled") {
    return { state: "CANCELLED", failure: { code: "CANCELLED", message: "the run was cancelled" } };
  }
  if (end.abort === "timed-out") {
    const message = `the time limit of ${end.timeLimitSec} s has passed`;
    return { state: "TIMED_OUT", failure: { code: "TIMED_OUT", message } };
  }
  if (end.result !== undefined) {
    const { failure } = end.result;
    if (failure === null) return { state: "SUCCEEDED", failure: null };
    return { state: failure.code === "CANCELLED" ? "CANCELLED" : "FAILED", failure };
  }
  return { state: "FAILED", failure: deathOf(end) };
}

function deathOf(end: ChildEnd): Failure {
  if (end.isHandedBack) return { code: "HOST_LOST", message: "the machine's agent was stopped" };
  const detail = end.stderrTail.trim() === "" ? {} : { detail: end.stderrTail.slice(-8_000) };
  if (end.exitCode !== 0 && OUT_OF_MEMORY.some((signature) => signature.test(end.stderrTail))) {
    const message = "the process ran out of memory; give the run less to hold or a larger machine";
    return { code: "OUT_OF_MEMORY", message, ...detail };
  }
  if (end.exitCode !== 0 && OUT_OF_VRAM.some((signature) => signature.test(end.stderrTail))) {
    const message =
      "the GPU's memory ran out; lower the VRAM budget or the context, or end what else holds VRAM";
    return { code: "OUT_OF_MEMORY", message, ...detail };
  }
  if (end.signal === "SIGKILL" && end.oomKills > 0) {
    const message = "the kernel's out-of-memory killer struck while the run's process was killed";
    return { code: "OUT_OF_MEMORY", message, ...detail };
  }
  if (end.signal !== null) {
    const message = `the run's process was killed by ${end.signal}${meaning(end.signal)}`;
    return { code: "KILLED_BY_SIGNAL", message, ...detail };
  }
  const message = `the run's process ended with exit code ${end.exitCode} before the run returned`;
  return { code: "EXPERIMENT_ERROR", message, ...detail };
}

function meaning(signal: NodeJS.Signals): string {
  if (signal === "SIGSEGV") return " (invalid memory access in native code)";
  if (signal === "SIGABRT") return " (native code gave up; see the detail)";
  if (signal === "SIGILL") return " (this CPU lacks an instruction that native code needs)";
  return "";
}
