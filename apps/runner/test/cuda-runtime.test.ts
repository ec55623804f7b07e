import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findCudaRuntime, withFolders } from "../src/doctor/cuda-runtime.ts";
import { temporaryFolder } from "./fixtures/command.ts";

/** A machine's root folder in which these files lie. */
function machine(files: string[]): string {
  const root = temporaryFolder();
  for (const file of files) {
    mkdirSync(join(root, file, ".."), { recursive: true });
    writeFileSync(join(root, file), "");
  }
  return root;
}

const TOOLKIT = "usr/local/cuda-13.0/lib64";
const LIBRARIES = ["libcudart.so.13", "libcublas.so.13", "libcublasLt.so.13"];
const withoutPython = { pythonFolders: () => [] };

describe("findCudaRuntime", () => {
  it("finds an installed toolkit and tells its folder to the linker", () => {
    const root = machine(LIBRARIES.map((file) => join(TOOLKIT, file)));
    const { folders, missing } = findCudaRuntime({}, { root, ...withoutPython });
    expect(missing).toEqual([]);
    expect(folders).toEqual([join(root, TOOLKIT)]);
  });

  it("finds what Python's packages carry, each library in its own folder", () => {
    const root = machine([
      "site/nvidia/cuda_runtime/lib/libcudart.so.13",
      "site/nvidia/cublas/lib/libcublas.so.13",
      "site/nvidia/cublas/lib/libcublasLt.so.13",
    ]);
    const search = { root, pythonFolders: () => [join(root, "site/nvidia")] };
    expect(findCudaRuntime({}, search)).toMatchObject({
      missing: [],
      folders: [join(root, "site/nvidia/cublas/lib"), join(root, "site/nvidia/cuda_runtime/lib")],
    });
  });

  it("asks no Python when the libraries lie elsewhere", () => {
    const root = machine(LIBRARIES.map((file) => join(TOOLKIT, file)));
    const pythonFolders = () => {
      throw new Error("Python was asked");
    };
    expect(findCudaRuntime({}, { root, pythonFolders }).missing).toEqual([]);
  });

  it("tells the linker nothing that it knows by itself or was told already", () => {
    const [cudart = "", ...cublas] = LIBRARIES;
    const root = machine([join("usr/lib64", cudart), ...cublas.map((file) => join(TOOLKIT, file))]);
    const env = { LD_LIBRARY_PATH: join(root, TOOLKIT) };
    expect(findCudaRuntime(env, { root, ...withoutPython })).toMatchObject({
      missing: [],
      folders: [],
    });
  });

  it("names what is missing, and does not take another version of CUDA for it", () => {
    const root = machine([join(TOOLKIT, "libcudart.so.12"), join(TOOLKIT, "libcublas.so.13")]);
    const { folders, missing } = findCudaRuntime({}, { root, ...withoutPython });
    expect(missing).toEqual(["libcudart.so.13", "libcublasLt.so.13"]);
    expect(folders).toEqual([join(root, TOOLKIT)]);
  });
});

describe("withFolders", () => {
  it("puts new folders first and repeats none", () => {
    expect(withFolders("/a:/b", ["/c", "/b"])).toBe("/c:/a:/b");
    expect(withFolders(undefined, ["/c"])).toBe("/c");
    expect(withFolders("", [])).toBe("");
  });
});
