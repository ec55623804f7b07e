import { describe, expect, it } from "vitest";
import type { MetricPoint } from "../src/context/run-event.ts";
import { workingBackends } from "../src/gpu/gpu-backends.ts";
import type { GpuSample } from "../src/gpu/gpu-reader.ts";
import { GpuSampler } from "../src/gpu/gpu-sampler.ts";

/** A clock that stands still between ticks, and the one timer that a sampler may have. */
class Bench {
  nowMs = 0;
  readonly points: MetricPoint[] = [];
  timer: { dueMs: number; act: () => void } | undefined;
  #answer: ((samples: GpuSample[] | Error) => void) | undefined;
  looks = 0;
  readonly sampler: GpuSampler;

  constructor(intervalMs: number) {
    this.sampler = new GpuSampler({
      reader: {
        sample: () => {
          this.looks += 1;
          return new Promise((resolve, reject) => {
            this.#answer = (told) => (told instanceof Error ? reject(told) : resolve(told));
          });
        },
      },
      intervalMs,
      nowMs: () => this.nowMs,
      emit: (points) => this.points.push(...points),
      later: (delayMs, act) => {
        this.timer = { dueMs: this.nowMs + delayMs, act };
        return () => {
          this.timer = undefined;
        };
      },
    });
  }

  /** Lets the look under way end after `ms` with these samples. */
  async answer(ms: number, samples: GpuSample[] | Error): Promise<void> {
    this.nowMs += ms;
    this.#answer?.(samples);
    await new Promise((resolve) => setImmediate(resolve));
  }

  fire(): void {
    const { timer } = this;
    if (timer === undefined) throw new Error("no timer is set");
    this.nowMs = timer.dueMs;
    this.timer = undefined;
    timer.act();
  }
}

const one: GpuSample[] = [{ gpuPowerW: 100, gpuVramBytes: 5 }];

describe("the sampler", () => {
  it("looks at once and then on the raster, and tells when each look began", async () => {
    const bench = new Bench(500);
    await bench.answer(40, one);
    bench.fire();
    expect(bench.nowMs).toBe(500);
    await bench.answer(41, one);
    bench.fire();
    await bench.answer(40, one);
    const power = bench.points.filter(({ key }) => key === "gpuPowerW");
    expect(power.map(({ timeMs, step, value }) => [timeMs, step, value])).toEqual([
      [0, 0, 100],
      [500, 0.5, 100],
      [1_000, 1, 100],
    ]);
    expect(bench.points.filter(({ key }) => key === "gpuVramBytes")).toHaveLength(3);
  });

  it("leaves out looks while one takes longer than the interval", async () => {
    const bench = new Bench(100);
    await bench.answer(350, one);
    expect(bench.looks).toBe(1);
    expect(bench.timer?.dueMs).toBe(400);
  });

  it("labels the curves of several cards, and only of several", async () => {
    const bench = new Bench(500);
    await bench.answer(1, [{ gpuPowerW: 1 }, { gpuPowerW: 2, gpuUtilisation: 3 }]);
    expect(bench.points.map(({ key, value }) => [key, value])).toEqual([
      ["gpuPowerW{gpu=0}", 1],
      ["gpuPowerW{gpu=1}", 2],
      ["gpuUtilisation{gpu=1}", 3],
    ]);
  });

  it("tells nothing after it was stopped, in a look or between two", async () => {
    const inLook = new Bench(500);
    inLook.sampler.stop();
    await inLook.answer(40, one);
    expect(inLook.points).toEqual([]);
    expect(inLook.timer).toBeUndefined();
    const between = new Bench(500);
    await between.answer(40, one);
    between.sampler.stop();
    expect(between.timer).toBeUndefined();
    expect(between.points).toHaveLength(2);
  });

  it("ends quietly when the cards can no longer be read", async () => {
    const bench = new Bench(500);
    await bench.answer(40, new Error("GPU is lost"));
    expect(bench.points).toEqual([]);
    expect(bench.timer).toBeUndefined();
  });
});

describe("the GPU back ends of a machine", () => {
  const files = [
    "libggml-base.so",
    "libggml-cpu-haswell.so",
    "libggml-cuda.so",
    "libggml-vulkan.so",
  ];
  const cuda = (state: "works" | "no device") => ({ api: "cuda", state }) as const;
  const broken = { api: "vulkan", state: "broken", problem: "libvulkan.so.1" } as const;

  it("are those whose library finds a device", async () => {
    const asked = (state: "works" | "no device") => async () => ({
      backEnds: [cuda(state), broken],
    });
    expect(await workingBackends(files, asked("works"))).toEqual(["cuda"]);
    expect(await workingBackends(files, asked("no device"))).toEqual([]);
  });

  it("are none without a library, and nothing is started to find out", async () => {
    const probe = () => Promise.reject(new Error("was asked"));
    expect(await workingBackends(files.slice(0, 2), probe)).toEqual([]);
  });
});
