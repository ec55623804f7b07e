import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, describe, expect, it } from "vitest";
import { CncError } from "../../src/errors.ts";
import { chooseBackEnd } from "../../src/learn/backend.ts";

const require = createRequire(import.meta.url);
const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A folder in which a package of that name is installed. */
function installed(name: string, code: string): string {
  const folder = mkdtempSync(join(tmpdir(), "fmlab-tfjs-"));
  folders.push(folder);
  const place = join(folder, "node_modules", "@tensorflow", name);
  mkdirSync(place, { recursive: true });
  const manifest = { name: `@tensorflow/${name}`, version: "4.99.0", main: "index.js" };
  writeFileSync(join(place, "package.json"), JSON.stringify(manifest));
  writeFileSync(join(place, "index.js"), code);
  return folder;
}

/** What the real packages do when they are loaded: register `tensorflow` and its kernels. */
const WORKING = `
  const tf = require(${JSON.stringify(require.resolve("@tensorflow/tfjs-core"))});
  const { MathBackendCPU } = require(${JSON.stringify(require.resolve("@tensorflow/tfjs-backend-cpu"))});
  if (tf.getKernelsForBackend("tensorflow").length === 0) {
    tf.copyRegisteredKernels("cpu", "tensorflow");
  }
  globalThis.standInBackEnds = (globalThis.standInBackEnds ?? 0) + 1;
  tf.registerBackend("tensorflow", () => new MathBackendCPU());
`;

describe("chooseBackEnd", () => {
  it("uses tfjs-node-gpu where it is installed, and has that recorded", async () => {
    const notes = new Map<string, string>();
    const chosen = await chooseBackEnd({
      from: [installed("tfjs-node-gpu", WORKING)],
      note: (key, value) => notes.set(key, value),
    });
    expect(chosen).toEqual({ name: "tfjs-node-gpu", version: "4.99.0", refused: [] });
    expect(tf.getBackend()).toBe("tensorflow");
    expect((globalThis as { standInBackEnds?: number }).standInBackEnds).toBe(1);
    expect(notes).toEqual(new Map([["tensorBackEnd", "tfjs-node-gpu 4.99.0"]]));
    tf.removeBackend("tensorflow");
  });

  it("falls back to WebAssembly when the GPU's package does not load, and tells why", async () => {
    const notes = new Map<string, string>();
    const reason = "libcudart.so.11.0: cannot open shared object file";
    const broken = installed("tfjs-node-gpu", `throw new Error("${reason}\\nstack");`);
    const chosen = await chooseBackEnd({
      from: [broken],
      note: (key, value) => notes.set(key, value),
    });
    expect(chosen.name).toBe("wasm");
    expect(chosen.refused).toEqual([
      { name: "tfjs-node-gpu", reason },
      { name: "tfjs-node", reason: "not installed" },
    ]);
    expect(tf.getBackend()).toBe("wasm");
    expect(notes.get("tensorBackEnd")).toBe(`wasm ${chosen.version}`);
    expect(notes.get("tensorBackEndsRefused")).toContain(`tfjs-node-gpu: ${reason}`);
  });

  it("refuses a back end that computes wrongly", async () => {
    const wrong = installed(
      "tfjs-node",
      `${WORKING}
      tf.unregisterKernel("BatchMatMul", "tensorflow");
      tf.registerKernel({
        kernelName: "BatchMatMul",
        backendName: "tensorflow",
        kernelFunc: ({ backend }) =>
          backend.makeTensorInfo([1, 2, 2], "float32", new Float32Array([1, 2, 3, 4])),
      });`,
    );
    const chosen = await chooseBackEnd({ order: ["tfjs-node", "cpu"], from: [wrong] });
    expect(chosen.name).toBe("cpu");
    expect(chosen.refused[0]?.reason).toContain("came out as 1,2,3,4");
    tf.removeBackend("tensorflow");
  });

  it("says what was tried when nothing works", async () => {
    const attempt = chooseBackEnd({ order: ["tfjs-node-gpu"], from: [] });
    await expect(attempt).rejects.toThrow(CncError);
    await expect(attempt).rejects.toThrow(/tfjs-node-gpu: not installed/);
  });
});
