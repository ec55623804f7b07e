/**
 * How exactly the transfer lane keeps to an emulated link, with this thread computing beside it:
 * experts of the shipped model's size (104,448 bytes in three parts) from preloaded host memory,
 * a full queue (rate) and one load at a time (time to ready). Then the disk as it is.
 *
 * `npm run bench -- moe-link [--json] [--seconds N]`
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { FinishedLoad } from "../src/offload/lane.ts";
import { TransferLane } from "../src/tiers/transfer-lane.ts";
import { TestSlots, writeSynthetic } from "../test/tiers/synthetic.ts";
import { describeMachine, formatTable } from "./paired.ts";

const PART_BYTES = [34_816, 34_816, 34_816] as const;
const SLOTS = 16;
/** Loads kept in the queue; chosen well above what fits between two looks of this thread. */
const DEPTH = 12;

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    seconds: { type: "string", default: "2" },
  },
});
const milliseconds = 1e3 * Number(values.seconds);
const folder = mkdtempSync(join(tmpdir(), "fmlab-moe-link-"));
const model = writeSynthetic({ moeLayers: [0, 1, 2, 3], expertCount: 32, partBytes: PART_BYTES }, [
  join(folder, "experts"),
]);
const slots = new TestSlots(SLOTS, PART_BYTES);

/** Weights and activations of the work that this thread does meanwhile. */
const weights = new Float32Array(65_536).fill(0.5);
let checksum = 0;

/** Some 20 us of multiplying and adding. */
function compute(): void {
  let sum = 0;
  for (let i = 0; i < 16_384; i++) sum += (weights[i] ?? 0) * i;
  checksum += sum;
}

function open(bandwidthMBps: number, isPreloaded: boolean, readers = 1): TransferLane {
  return new TransferLane({
    layout: model.layout,
    slots: slots.regions,
    fast: { bandwidthMBps, latencyUs: 0, queueDepth: 1 },
    readers,
    ...(isPreloaded ? { host: { budgetBytes: 1e8, mode: "lru", preload: true } } : {}),
  });
}

/**
 * Keeps the queue full while computing: MB/s from the first start to the last end, and the median
 * time from end to end, which a machine that is busy with other work hardly changes.
 */
function saturate(lane: TransferLane, forMs: number): { rate: number; stepUs: number } {
  const loads: FinishedLoad[] = [];
  const untilMs = lane.nowMs() + forMs;
  let submitted = 0;
  const submit = () => {
    const slot = submitted % SLOTS;
    // The slot's last load was asked for a whole round ago.
    if (submitted >= SLOTS) lane.waitFor(slot);
    lane.submit(model.keys[submitted % model.keys.length] ?? 0, slot, "prefetch");
    submitted++;
  };
  while (lane.nowMs() < untilMs) {
    while (lane.pending < DEPTH) submit();
    compute();
  }
  for (let slot = 0; slot < Math.min(submitted, SLOTS); slot++) lane.waitFor(slot);
  lane.drain((load) => loads.push(load));
  const ms = (loads.at(-1)?.endMs ?? 0) - (loads[0]?.startMs ?? 0);
  const steps = loads.slice(1).map(({ endMs }, i) => 1e3 * (endMs - (loads[i]?.endMs ?? 0)));
  steps.sort((a, b) => a - b);
  const stepUs = steps[Math.floor(steps.length / 2)] ?? 0;
  return { rate: (loads.length * model.expertBytes) / ms / 1e3, stepUs };
}

/** Microseconds from asking for one expert to having it: median and 95th percentile. */
function readyUs(lane: TransferLane, forMs: number): { median: number; p95: number } {
  const times: number[] = [];
  const untilMs = lane.nowMs() + forMs;
  for (let i = 0; lane.nowMs() < untilMs; i++) {
    compute();
    const askedMs = lane.nowMs();
    lane.submit(model.keys[i % model.keys.length] ?? 0, i % SLOTS, "demand");
    lane.waitFor(i % SLOTS);
    times.push(1e3 * (lane.nowMs() - askedMs));
  }
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.floor(share * (times.length - 1))] ?? 0;
  return { median: at(0.5), p95: at(0.95) };
}

function measure(bandwidthMBps: number, isPreloaded: boolean, readers: number) {
  const lane = open(bandwidthMBps, isPreloaded, readers);
  // The first loads run before the code is compiled.
  saturate(lane, milliseconds / 4);
  const { rate, stepUs } = saturate(lane, milliseconds);
  const wait = readyUs(lane, milliseconds / 2);
  const { readMode } = lane;
  lane.close();
  return { bandwidthMBps, readers, readMode, rate, stepUs, ...wait };
}

const links = [100, 400, 1600, 3200].map((bandwidthMBps) => measure(bandwidthMBps, true, 1));
const memory = measure(0, true, 1);
const disks = [1, 4].map((readers) => measure(0, false, readers));
rmSync(folder, { recursive: true });

const worst = Math.min(...links.map((row) => row.rate / row.bandwidthMBps));
const row = (
  { rate, stepUs, bandwidthMBps, median, p95 }: (typeof links)[number],
  name: string,
) => [
  name,
  rate.toFixed(1),
  bandwidthMBps > 0 ? (rate / bandwidthMBps).toFixed(3) : "",
  bandwidthMBps > 0 ? (model.expertBytes / bandwidthMBps).toFixed(1) : "",
  stepUs.toFixed(1),
  median.toFixed(1),
  p95.toFixed(1),
];
if (values.json) {
  const line = {
    name: "moe-link",
    unit: "share of the emulated bandwidth, worst of four",
    ours: worst,
    peer: 1,
    ratio: worst,
    seconds: Number(values.seconds),
    links,
    memory,
    disks,
    checksum,
    machine: describeMachine(),
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
} else {
  const table = formatTable([
    ["link", "MB/s", "of asked", "expert us", "step us", "ready us", "95 %"],
    ...links.map((one) => row(one, `${one.bandwidthMBps} MB/s`)),
    row(memory, "host memory"),
    ...disks.map((one) => row(one, `disk, ${one.readers} reader(s), ${one.readMode}`)),
  ]);
  process.stdout.write(
    `moe-link: experts of ${model.expertBytes} bytes, this thread computing (bar 0.95)\n\n` +
      `${table}\n\n(checksum ${checksum.toExponential(3)})\n`,
  );
}
