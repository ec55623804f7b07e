import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const TOKENS = 2_500;
/**
 * 2,500 tokens that leak 32 KiB each grow by 78 MiB; collector and allocator alone move the
 * resident memory by up to 30 MiB, mostly down. Building graphs anew for each token would leak 100
 * KiB a token.
 */
const FLAT_MIB_MAX = 16;

async function growth(mode: "keep" | "leak"): Promise<number> {
  const probe = fileURLToPath(new URL("./memory-probe.ts", import.meta.url));
  const args = ["--expose-gc", "--import", "tsx", probe, String(TOKENS), mode];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
  });
  return (JSON.parse(stdout) as { growthMiB: number }).growthMiB;
}

it("memory stays flat over successive contexts", async () => {
  expect(await growth("keep")).toBeLessThan(FLAT_MIB_MAX);
});

it("the probe of memory finds a leak of 32 KiB a token", async () => {
  expect(await growth("leak")).toBeGreaterThan(FLAT_MIB_MAX);
});
