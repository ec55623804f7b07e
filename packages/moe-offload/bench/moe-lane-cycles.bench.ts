/**
 * What a thousand transfer lanes leave behind, opened on the model's file one after another: loads
 * done, closed or cancelled amid loads, and a file that ends early. File handles must be as many
 * as before, resident memory flat.
 *
 * `npm run bench -- moe-lane-cycles [--json] [--cycles N]`
 */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { EXPERT_PARTS } from "../src/engine/interfaces.ts";
import { describeModel } from "../src/model/description.ts";
import { expertLayout } from "../src/model/expert-layout.ts";
import type { ExpertRanges } from "../src/tiers/expert-table.ts";
import { type CycledModel, measureCycles } from "./lane-cycles.ts";
import { openBenchModel } from "./model.ts";
import { describeMachine } from "./paired.ts";

/** Growth that counts as flat: what allocator and collector move by themselves; chosen. */
const FLAT_MIB_MAX = 8;
const WARM_UP_CYCLES = 100;

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    cycles: { type: "string", default: "1000" },
  },
});

/** The model's experts, and the same in a file of zeros that ends before the last layer's. */
function cycledModel(layout: ExpertRanges, cutPath: string): CycledModel {
  const last = layout.moeLayers.at(-1) ?? 0;
  const ranges = EXPERT_PARTS.map((part) => layout.range(last, 0, part));
  const [gate = 0, up = 0, down = 0] = ranges.map(({ sizeBytes }) => sizeBytes);
  writeFileSync(cutPath, "");
  // Sparse: it takes no room.
  truncateSync(cutPath, Math.min(...ranges.map(({ offset }) => offset)));
  const { expertCount, moeLayers } = layout;
  return {
    layout,
    partBytes: [gate, up, down],
    cutLayout: {
      expertCount,
      moeLayers,
      range: (layer, expert, part) => ({ ...layout.range(layer, expert, part), path: cutPath }),
    },
    lostKey: last * expertCount,
  };
}

const folder = mkdtempSync(join(tmpdir(), "fmlab-lane-cycles-"));
const file = openBenchModel();
const layout = expertLayout(file, describeModel(file));
const model = cycledModel(layout, join(folder, "cut"));
const cycles = Number(values.cycles);
const found = measureCycles(model, cycles, WARM_UP_CYCLES);
file.close();
rmSync(folder, { recursive: true });

const { ends, growthMiB, handlesAfter, handlesBefore, midTransfer } = found;
const holds = handlesAfter === handlesBefore && growthMiB < FLAT_MIB_MAX;
if (values.json) {
  const line = {
    name: "moe-lane-cycles",
    unit: "MiB",
    ours: growthMiB,
    peer: FLAT_MIB_MAX,
    ratio: growthMiB / FLAT_MIB_MAX,
    cycles,
    ...found,
    holds,
    machine: describeMachine(),
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
} else {
  process.stdout.write(
    `moe-lane-cycles: ${cycles} lanes opened and closed after ${WARM_UP_CYCLES} others ` +
      `(${ends.done} done, ${ends.closed} closed, ${ends.cancelled} cancelled, ` +
      `${ends.unreadable} unreadable; ${midTransfer} amid loads)\n` +
      `handles ${handlesBefore} to ${handlesAfter} (bar: equal), resident memory ` +
      `${found.startMiB.toFixed(1)} to ${found.endMiB.toFixed(1)} MiB: ` +
      `${growthMiB.toFixed(2)} MiB (bar ${FLAT_MIB_MAX}): ${holds ? "holds" : "MISSED"}\n`,
  );
}
process.exit(holds ? 0 : 1);
