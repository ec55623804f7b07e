import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const CYCLES = 250;
/**
 * A cycle takes 0.6 MB for slots and host memory, all cycles together 150. A thousand of them moved
 * the resident memory by -1 MiB; collector and allocator alone move it by some. The benchmark
 * `moe-link` does a thousand.
 */
const FLAT_MIB_MAX = 16;

it("lanes leave no memory and no handles behind, and an open one keeps no process alive", async () => {
  const probe = fileURLToPath(new URL("./cycle-probe.ts", import.meta.url));
  const args = ["--expose-gc", "--import", "tsx", probe, String(CYCLES)];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
  });
  const result = JSON.parse(stdout) as Record<string, number>;
  expect(result.handlesAfter).toBe(result.handlesBefore);
  expect(result.growthMiB).toBeLessThan(FLAT_MIB_MAX);
});
