/**
 * How long experts of a published model take on this processor, from where they lie in memory, by
 * number of threads: what `cpuExperts` has to offer beside a card. Sizes are the model's, weights
 * random. Beside it what copying an expert takes at a link's speed.
 *
 * `npm run bench -- moe-cpu-experts [--json] [--shape NAME] [--layers N] [--threads 1,2,4] [--link
 * MB/s]`
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { describeModel } from "../src/model/description.ts";
import { expertLayout } from "../src/model/expert-layout.ts";
import { measureCpu } from "../src/shape-run/cpu-probe.ts";
import { openShape } from "../src/shapes/shape-file.ts";
import { SHAPE_MODELS } from "../src/shapes/shape-model.ts";
import { SHAPE_NAMES, type ShapeName } from "../src/shapes/shape-names.ts";
import { shrinkShape } from "../src/shapes/shrink.ts";
import { contentsOf } from "../src/tiers/expert-contents.ts";
import { expertTable } from "../src/tiers/expert-table.ts";
import { HostTier } from "../src/tiers/host-tier.ts";
import { MonotonicClock } from "../src/tiers/monotonic-clock.ts";
import { describeMachine } from "./paired.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    shape: { type: "string", default: "qwen1.5-moe-a2.7b" },
    layers: { type: "string", default: "2" },
    threads: { type: "string", default: "" },
    link: { type: "string", default: "47000" },
  },
});

const name = SHAPE_NAMES.find((one): one is ShapeName => one === values.shape);
if (!name) throw new Error(`--shape ${values.shape}; known are ${SHAPE_NAMES.join(", ")}`);
const file = openShape(shrinkShape(SHAPE_MODELS[name], { layerCount: Number(values.layers) }), {
  storage: { experts: "Q4_0", dense: "Q4_0" },
  seed: 1,
});
const layout = expertLayout(file, describeModel(file));
const hostTier = new HostTier(expertTable(layout), {
  budgetBytes: 2 * layout.moeLayers.length * layout.expertCount * layout.expertBytes,
  mode: "pinned",
  preload: true,
  contents: contentsOf(file, layout),
});
const clock = new MonotonicClock();
const bench = { hostTier, layout, job: { seed: 1 }, nowMs: () => clock.nowMs() };
const threads = values.threads
  ? values.threads.split(",").map(Number)
  : [1, 2, 4, 8, 12, 16].filter((count) => count <= availableParallelism());
const rows = threads.map((count) => ({ threads: count, ...measureCpu(bench, count) }));
hostTier.free();
file.close();

const copyMs = layout.expertBytes / 1e3 / Number(values.link);
const facts = { ...describeMachine(), shape: name, expertBytes: layout.expertBytes, copyMs };
const lines = rows.map(
  (row) =>
    `${String(row.threads).padStart(3)} threads: ${row.expertMs.toFixed(3)} ms an expert ` +
    `(${(layout.expertBytes / 1e6 / row.expertMs).toFixed(1)} GB/s), ${row.layerMs.toFixed(3)} ms ` +
    "a layer",
);
process.stdout.write(
  values.json
    ? `${JSON.stringify({ facts, rows })}\n`
    : `${name}, random content: ${(layout.expertBytes / 1e6).toFixed(2)} MB an expert, ` +
        `${copyMs.toFixed(3)} ms over ${values.link} MB/s\n${lines.join("\n")}\n`,
);
