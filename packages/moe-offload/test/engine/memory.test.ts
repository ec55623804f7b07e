import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, expect, it } from "vitest";

const TOKENS = 2_000;
/**
 * 2,000 tokens that leak 32 KiB each grow by 62 MiB; collector and allocator alone move the
 * resident memory by up to 30 MiB, mostly down. Building graphs anew for each token would leak 100
 * KiB a token.
 */
const FLAT_MIB_MAX = 16;

let growth: { flatMiB: number; leakMiB: number };
beforeAll(async () => {
  const probe = fileURLToPath(new URL("./memory-probe.ts", import.meta.url));
  const args = ["--expose-gc", "--import", "tsx", probe, String(TOKENS)];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
  });
  growth = JSON.parse(stdout);
});

it("memory stays flat over successive contexts", () => {
  expect(growth.flatMiB).toBeLessThan(FLAT_MIB_MAX);
});

it("the probe of memory finds a leak of 32 KiB a token", () => {
  expect(growth.leakMiB).toBeGreaterThan(FLAT_MIB_MAX);
});
