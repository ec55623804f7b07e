import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { findLibraries } from "@fmlab/ggml";
import { describe, expect, it } from "vitest";
import { deviceChecks } from "../src/doctor/device-checks.ts";
import { type DeviceReport, probeDevices } from "../src/doctor/device-probe.ts";
import { tensorflowChecks } from "../src/doctor/tensorflow-checks.ts";
import { fmlab, temporaryFolder } from "./fixtures/command.ts";

const noCuda = () => ({ found: {}, missing: ["libcublas.so.13"], folders: [] });
const lines = (report: DeviceReport) =>
  Object.fromEntries(deviceChecks(report, noCuda).map((one) => [one.what, one]));

describe("what fmlab doctor says of devices", () => {
  it("names the processor with its memory, and back ends that are not there", async () => {
    const found = lines(await probeDevices());
    expect(found.koffi?.status).toBe("ok");
    expect(found["ggml CPU"]).toMatchObject({ status: "ok" });
    expect(found["ggml CPU"]?.told).toMatch(/^CPU .*, \d+\.\d GiB \(\d+\.\d GiB free\)$/);
    expect(found["ggml CUDA"]).toMatchObject({ status: "absent" });
    expect(found["ggml CUDA"]?.told).toContain("--gpu cuda");
    expect(found["CUDA runtime"]).toBeUndefined();
  });

  it("gives the linker's reason for a back end that cannot be loaded, and the remedy", async () => {
    const { directory } = findLibraries();
    const folder = temporaryFolder();
    for (const name of readdirSync(directory).filter((one) => /^libggml/.test(one))) {
      copyFileSync(join(directory, name), join(folder, name));
    }
    writeFileSync(join(folder, "libggml-cuda.so"), "no library");
    const found = lines(await probeDevices({ ...process.env, GGML_LIB_DIR: folder }));
    expect(found["ggml CPU"]?.status).toBe("ok");
    expect(found["ggml CUDA"]?.status).toBe("problem");
    expect(found["ggml CUDA"]?.told).toMatch(/libggml-cuda\.so: (file too short|invalid ELF)/);
    expect(found["CUDA runtime"]).toMatchObject({ status: "problem" });
    expect(found["CUDA runtime"]?.told).toContain("libcublas.so.13 not found");
  });

  it("survives a driver that ends the process that asks it", async () => {
    const entry = join(temporaryFolder(), "probe.mjs");
    writeFileSync(entry, 'process.stderr.write("driver: bad state\\n"); process.abort();');
    const found = lines(await probeDevices(process.env, pathToFileURL(entry)));
    expect(found.ggml?.status).toBe("problem");
    expect(found.ggml?.told).toMatch(/SIGABRT.*driver: bad state/s);
  });

  it("is printed as one JSON value with --json", async () => {
    const { stdout } = await fmlab(["doctor", "--json"]);
    const told = JSON.parse(stdout) as { devices: { api: string }[]; checks: { what: string }[] };
    expect(told.devices.map(({ api }) => api)).toContain("cpu");
    const what = told.checks.map((one) => one.what);
    expect(what).toEqual(expect.arrayContaining(["node", "koffi", "ggml", "tfjs-node-gpu"]));
  });
});

describe("what fmlab doctor says of TensorFlow", () => {
  it("loads a native package to see that it works, and tells why one does not", async () => {
    const from = temporaryFolder();
    const install = (name: string, code: string) => {
      const place = join(from, "node_modules", "@tensorflow", name);
      const manifest = { name: `@tensorflow/${name}`, version: "4.98.0", main: "index.js" };
      mkdirSync(place, { recursive: true });
      writeFileSync(join(place, "package.json"), JSON.stringify(manifest));
      writeFileSync(join(place, "index.js"), code);
    };
    install("tfjs-node", "");
    install("tfjs-node-gpu", 'throw new Error("libcudart.so.11.0: cannot open shared object");');
    const found = await tensorflowChecks(["@tensorflow/tfjs-backend-wasm"], from);
    expect(found).toEqual([
      expect.objectContaining({
        what: "tfjs-node-gpu",
        status: "absent",
        told: expect.stringContaining("libcudart.so.11.0: cannot open"),
      }),
      { what: "tfjs-node", status: "ok", told: "4.98.0" },
      { what: "tfjs-backend-wasm", status: "ok", told: "in the bundle" },
      { what: "tfjs-backend-cpu", status: "absent", told: "not installed" },
    ]);
  });
});
