/**
 * Opens and closes lanes many times and prints what that left behind: `cycle-probe.ts <cycles>`.
 * Run in a process of its own. It ends with an open lane in mid-transfer, which must not keep the
 * process alive.
 */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { measureGrowth } from "../../bench/resident-memory.ts";
import { TransferLane } from "../../src/tiers/transfer-lane.ts";
import { TestSlots, writeSynthetic } from "./synthetic.ts";

const cycles = Number(process.argv[2]);
const folder = mkdtempSync(join(tmpdir(), "fmlab-cycles-"));
const partBytes = [10_000, 10_000, 10_000] as [number, number, number];
const model = writeSynthetic({ moeLayers: [0], expertCount: 16, partBytes }, [join(folder, "m")]);

/** One lane with 480 kB of host memory and 120 kB of slots, left in mid-transfer. */
function openBusy(cancelFlag: Int32Array): TransferLane {
  const slots = new TestSlots(4, partBytes);
  const lane = new TransferLane({
    layout: model.layout,
    slots: slots.regions,
    // 0.3 ms an expert.
    fast: { bandwidthMBps: 100, latencyUs: 0, queueDepth: 1 },
    host: { budgetBytes: 5e5, mode: "lru", preload: true },
    cancelFlag,
  });
  for (let slot = 0; slot < 4; slot++) lane.submit(slot, slot, "prefetch");
  lane.waitFor(0);
  return lane;
}

function cycle(index: number): void {
  const cancelFlag = new Int32Array(new SharedArrayBuffer(4));
  const lane = openBusy(cancelFlag);
  if (index % 2 === 0) {
    Atomics.store(cancelFlag, 0, 1);
    Atomics.notify(cancelFlag, 0);
  }
  lane.close();
}

const handles = () => readdirSync("/proc/self/fd").length;

function main(): void {
  for (let i = 0; i < 100; i++) cycle(i);
  const handlesBefore = handles();
  const start = measureGrowth(() => {});
  for (let i = 0; i < cycles; i++) cycle(i);
  const end = measureGrowth(() => {});
  const growthMiB = end.endMiB - start.endMiB;
  const result = { growthMiB, handlesBefore, handlesAfter: handles() };
  openBusy(new Int32Array(new SharedArrayBuffer(4)));
  rmSync(folder, { recursive: true });
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

main();
