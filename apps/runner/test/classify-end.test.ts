import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type ChildEnd, classifyEnd } from "../src/attempt/classify-end.ts";
import { oomKillCount } from "../src/attempt/oom-events.ts";
import { temporaryFolder } from "./fixtures/command.ts";

const end: ChildEnd = {
  result: undefined,
  exitCode: null,
  signal: null,
  stderrTail: "",
  abort: undefined,
  isHandedBack: false,
  oomKills: Number.NaN,
  timeLimitSec: 5,
};
const codeOf = (more: Partial<ChildEnd>) => classifyEnd({ ...end, ...more }).failure?.code;

describe("the end of a child", () => {
  it("by SIGKILL is out of memory only when the kernel's killer struck meanwhile", () => {
    expect(codeOf({ signal: "SIGKILL", oomKills: 1 })).toBe("OUT_OF_MEMORY");
    expect(codeOf({ signal: "SIGKILL", oomKills: 0 })).toBe("KILLED_BY_SIGNAL");
    expect(codeOf({ signal: "SIGKILL", oomKills: Number.NaN })).toBe("KILLED_BY_SIGNAL");
    expect(codeOf({ signal: "SIGSEGV", oomKills: 1 })).toBe("KILLED_BY_SIGNAL");
  });

  it("is a cancellation or a time-out when that was ordered, however it came", () => {
    for (const signal of ["SIGTERM", "SIGKILL", null] as const) {
      expect(classifyEnd({ ...end, signal, abort: "cancelled" }).state).toBe("CANCELLED");
      expect(classifyEnd({ ...end, signal, abort: "timed-out" }).state).toBe("TIMED_OUT");
    }
  });

  it("with exit code 0 but without a result is a failure", () => {
    expect(codeOf({ exitCode: 0 })).toBe("EXPERIMENT_ERROR");
    const told = "JavaScript heap out of memory";
    expect(codeOf({ exitCode: 0, stderrTail: told })).toBe("EXPERIMENT_ERROR");
    expect(codeOf({ signal: "SIGABRT", stderrTail: told })).toBe("OUT_OF_MEMORY");
  });

  it.each([
    "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 8192.00 MiB on device 0: cudaMalloc " +
      "failed: out of memory",
    "CUDA error: out of memory\n  current device: 0, in function alloc at ggml-cuda.cu:503",
    "ggml_vulkan: Device memory allocation of size 1 failed.\nggml_vulkan: " +
      "vk::Device::allocateMemory: ErrorOutOfDeviceMemory",
    "CUBLAS_STATUS_ALLOC_FAILED",
  ])("that says %j is out of the GPU's memory", (stderrTail) => {
    const { failure } = classifyEnd({ ...end, signal: "SIGABRT", stderrTail });
    expect(failure).toMatchObject({
      code: "OUT_OF_MEMORY",
      message: expect.stringMatching(/GPU's memory ran out; lower the VRAM budget/),
      detail: stderrTail,
    });
    expect(codeOf({ exitCode: 0, stderrTail })).toBe("EXPERIMENT_ERROR");
  });

  it("of an agent that stops is a lost host, unless the run had its result already", () => {
    expect(codeOf({ isHandedBack: true, signal: "SIGKILL" })).toBe("HOST_LOST");
    const result = { failure: null, summary: {}, inputs: [] };
    expect(classifyEnd({ ...end, isHandedBack: true, result }).state).toBe("SUCCEEDED");
  });
});

describe("the count of out-of-memory kills", () => {
  it("adds the own cgroup's to the machine's", () => {
    const root = `${temporaryFolder()}/`;
    mkdirSync(join(root, "proc/self"), { recursive: true });
    mkdirSync(join(root, "sys/fs/cgroup/a"), { recursive: true });
    writeFileSync(join(root, "proc/self/cgroup"), "0::/a\n");
    writeFileSync(join(root, "proc/vmstat"), "pgfault 3\noom_kill 4\n");
    writeFileSync(
      join(root, "sys/fs/cgroup/a/memory.events"),
      "oom 9\noom_kill 2\noom_group_kill 0\n",
    );
    expect(oomKillCount(root)).toBe(6);
  });

  it("is not a number where no counter exists", () => {
    expect(oomKillCount(`${temporaryFolder()}/`)).toBeNaN();
  });
});
