/**
 * Opens and closes lanes many times and prints what that left behind: `cycle-probe.ts <cycles>`.
 * Run in a process of its own. It ends with an open lane in mid-transfer, which must not keep the
 * process alive.
 */
import { mkdtempSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { measureCycles, openBusyLane } from "../../bench/lane-cycles.ts";
import { writeSynthetic } from "./synthetic.ts";

const WARM_UP_CYCLES = 60;
const cycles = Number(process.argv[2]);
const folder = mkdtempSync(join(tmpdir(), "fmlab-cycles-"));
const partBytes = [30_000, 30_000, 30_000] as const;
const shape = { moeLayers: [0, 1], expertCount: 16, partBytes };
const { layout } = writeSynthetic(shape, [join(folder, "whole")]);
const cut = writeSynthetic(shape, [join(folder, "cut")]);
/** The first of the second layer, before which the file ends. */
const lostKey = 16;
truncateSync(join(folder, "cut"), layout.range(1, 0, "gate").offset);
const model = { layout, partBytes, cutLayout: cut.layout, lostKey };

const result = measureCycles(model, cycles, WARM_UP_CYCLES);
openBusyLane(model, new Int32Array(new SharedArrayBuffer(4)), "closed");
rmSync(folder, { recursive: true });
process.stdout.write(`${JSON.stringify(result)}\n`);
