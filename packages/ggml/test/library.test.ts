import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { GgmlError } from "../src/errors.ts";
import { GgmlLibrary, ggmlAvailability, isGgmlAvailable } from "../src/library.ts";
import { findLibraries } from "../src/library-path.ts";
import { rowSizeBytes, TENSOR_TYPES, tensorTypeInfo } from "../src/tensor-types.ts";

const library = GgmlLibrary.load();

describe("GgmlLibrary", () => {
  it("finds a CPU device with memory", () => {
    expect(library.version).toMatch(/^\d+\.\d+\.\d+/);
    const { cpu } = library;
    expect(cpu.isHost).toBe(true);
    expect(cpu.name.length).toBeGreaterThan(0);
    const { totalBytes, freeBytes } = cpu.memory();
    expect(totalBytes).toBeGreaterThan(2 ** 28);
    expect(freeBytes).toBeLessThanOrEqual(totalBytes);
  });

  it("is loaded once, and its devices are registered once", () => {
    expect(GgmlLibrary.load()).toBe(library);
    expect(new Set(library.devices.map((device) => device.name)).size).toBe(library.devices.length);
  });

  it("agrees with the tensor types of this package", () => {
    for (const { type, name, blockElements, blockBytes } of TENSOR_TYPES) {
      const { native } = library;
      expect([
        name,
        Number(native.ggml_blck_size(type)),
        Number(native.ggml_type_size(type)),
      ]).toEqual([name, blockElements, blockBytes]);
      expect(native.ggml_type_name(type).toUpperCase()).toBe(name.toUpperCase());
    }
  });

  it("refuses a request for more memory than any machine has", () => {
    expect(() => library.cpu.allocate(2 ** 50)).toThrow(GgmlError);
    expect(() => library.cpu.allocate(0)).toThrow(GgmlError);
  });

  it("works in a worker thread beside this one", async () => {
    const source = `
      import { register } from "tsx/esm/api";
      import { parentPort } from "node:worker_threads";
      register();
      const { GgmlLibrary } = await import(${JSON.stringify(new URL("../src/library.ts", import.meta.url).href)});
      const library = GgmlLibrary.load();
      const buffer = library.cpu.allocate(1024);
      buffer.close();
      parentPort.postMessage(library.devices.length);
    `;
    const folder = mkdtempSync(path.join(path.dirname(new URL(import.meta.url).pathname), ".tmp-"));
    try {
      const file = path.join(folder, "worker.mjs");
      writeFileSync(file, source);
      const worker = new Worker(file, { execArgv: [] });
      const count = await new Promise((resolve, reject) => {
        worker.on("message", resolve);
        worker.on("error", reject);
      });
      await worker.terminate();
      expect(count).toBe(library.devices.length);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("a machine without ggml", () => {
  it("is told what is missing and what to do", () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), "no-ggml-"));
    const env = { GGML_LIB_DIR: folder };
    expect(() => findLibraries(env)).toThrow(/GGML_LIB_DIR must name a folder/);
    const answer = ggmlAvailability(env);
    expect(answer.available).toBe(false);
    expect(answer).toMatchObject({ reason: expect.stringContaining(folder) });
    expect(isGgmlAvailable(env)).toBe(false);
    expect(isGgmlAvailable()).toBe(true);
    rmSync(folder, { recursive: true });
  });

  it("is told when the files are no libraries of ggml", () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), "bad-ggml-"));
    for (const name of ["libggml-base.so", "libggml.so"]) {
      writeFileSync(path.join(folder, name), "not a library");
    }
    expect(() => GgmlLibrary.load({ GGML_LIB_DIR: folder })).toThrow(GgmlError);
    expect(isGgmlAvailable({ GGML_LIB_DIR: folder })).toBe(false);
    rmSync(folder, { recursive: true });
  });
});

describe("tensor types", () => {
  it("know the bytes of a row and refuse parts of blocks", () => {
    expect(rowSizeBytes(0, 10)).toBe(40);
    expect(rowSizeBytes(8, 64)).toBe(68);
    for (const elements of [33, -32, 1.5, Number.NaN]) {
      expect(() => rowSizeBytes(8, elements)).toThrow(GgmlError);
    }
    for (const type of [-1, 4, 5, 40, 1000, 0.5])
      expect(() => tensorTypeInfo(type)).toThrow(GgmlError);
  });
});
