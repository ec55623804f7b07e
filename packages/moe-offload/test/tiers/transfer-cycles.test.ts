import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import type { CyclesResult } from "../../bench/lane-cycles.ts";

const CYCLES = 80;
/**
 * A cycle takes 1.1 MB for slots and host memory, all cycles together 86; collector and allocator
 * move the resident memory by some. The benchmark `moe-lane-cycles` does a thousand.
 */
const FLAT_MIB_MAX = 20;

it("lanes leave no memory and no handles behind, and an open one keeps no process alive", async () => {
  const probe = fileURLToPath(new URL("./cycle-probe.ts", import.meta.url));
  const args = ["--expose-gc", "--import", "tsx", probe, String(CYCLES)];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
  });
  const result = JSON.parse(stdout) as CyclesResult;
  expect(result.ends).toEqual({ done: 20, closed: 20, cancelled: 20, unreadable: 20 });
  expect(result.midTransfer).toBeGreaterThan(0);
  expect(result.handlesAfter).toBe(result.handlesBefore);
  expect(result.growthMiB).toBeLessThan(FLAT_MIB_MAX);
});
