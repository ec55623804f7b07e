import type { LinkOptions } from "./link-schedule.ts";

/** A number and where it comes from. */
export interface Sourced {
  readonly value: number;
  /**
   * A paper's section or a reference; "second-hand" when it was not checked against the paper;
   * "assumption" when nobody stated it.
   */
  readonly source: string;
}

/** A link of a named machine. */
export interface MachineLink {
  /** 1 MB/s = 1,000,000 bytes a second. */
  readonly bandwidthMBps: Sourced;
  readonly latencyUs: Sourced;
  readonly queueDepth: Sourced;
}

/** A machine whose memories and links a run can emulate or a replay can assume. */
export interface Machine {
  readonly title: string;
  /** What computes and its memory; left out for a mere disk. */
  readonly fastMemoryBytes?: Sourced;
  readonly hostMemoryBytes?: Sourced;
  /** From disk to host memory. */
  readonly disk: MachineLink;
  /** From host memory to fast memory; no link where the two are one. */
  readonly fast?: MachineLink;
  /** Where sources disagree: what they say, and what is taken here. */
  readonly conflict?: string;
}

const GIB = 2 ** 30;
const FATE = "Fate (arXiv:2502.12224), second-hand: two summaries agree";
const KLOTSKI = "Klotski (ASPLOS'25), evaluation, paper";

const sourced = (value: number, source: string): Sourced => ({ value, source });
const gib = (count: number, source: string): Sourced => ({ value: count * GIB, source });
const assumed = (value: number, why: string): Sourced => ({ value, source: `assumption: ${why}` });

/** One copy engine moves one copy at a time; starting one costs some microseconds. */
function copyEngine(bandwidthMBps: Sourced): MachineLink {
  return {
    bandwidthMBps,
    latencyUs: assumed(10, "start of a copy from pinned memory"),
    queueDepth: assumed(1, "one copy engine a direction"),
  };
}

function drive(
  bandwidthMBps: Sourced,
  latencyUs: number,
  queueDepth: number,
  kind: string,
): MachineLink {
  return {
    bandwidthMBps,
    latencyUs: assumed(latencyUs, `one read from ${kind}`),
    queueDepth: assumed(queueDepth, `reads under way at once from ${kind}`),
  };
}

const nvme = (why: string) =>
  drive(assumed(3500, `${why}; sequential reads of a PCIe 3 x4 drive`), 80, 8, "an NVMe drive");

/** Nominal rate of 16 lanes: 16 GT/s a lane, 128 of 130 bits payload. */
const PCIE4_X16 = assumed(31_500, "PCIe 4 x16 as the paper says, at its nominal rate");
const PCIE3_X16 = sourced(16_000, `${FATE}: PCIe 3.0 x16, 16 GB/s`);

/**
 * Machines by name. The papers' machines carry the papers' numbers, each with its provenance; what
 * the papers leave open is an assumption and says so.
 */
export const MACHINES = {
  "rtx3090-pcie3": {
    title: "RTX 3090, PCIe 3.0 x16 (Fate's high-end PC)",
    fastMemoryBytes: gib(24, FATE),
    hostMemoryBytes: gib(128, FATE),
    disk: nvme("the paper's disk is not known"),
    fast: copyEngine(PCIE3_X16),
  },
  "rtx3090-pcie4": {
    title: "RTX 3090, PCIe 4 x16 (Klotski's environment 1)",
    fastMemoryBytes: gib(24, KLOTSKI),
    hostMemoryBytes: gib(256, KLOTSKI),
    disk: drive(sourced(1000, `${KLOTSKI}: SSD at 1 GB/s`), 100, 8, "an SSD"),
    fast: copyEngine(PCIE4_X16),
  },
  gtx1080ti: {
    title: "GTX 1080 Ti, 4 GB/s (Fate's low-end PC, slow reading)",
    fastMemoryBytes: gib(11, FATE),
    hostMemoryBytes: gib(64, FATE),
    disk: nvme("the paper's disk is not known"),
    fast: copyEngine(sourced(4000, "Fate, second-hand, one summary: PCIe 1.0 x16, 4 GB/s")),
    conflict:
      "CONFLICT on PCIe: one summary of Fate says 1.0 x16 at 4 GB/s (taken here), another Gen3 x16 " +
      "(gtx1080ti-pcie3). The card itself is made for Gen3.",
  },
  "gtx1080ti-pcie3": {
    title: "GTX 1080 Ti, PCIe 3.0 x16 (Fate's low-end PC, fast reading)",
    fastMemoryBytes: gib(11, FATE),
    hostMemoryBytes: gib(64, FATE),
    disk: nvme("the paper's disk is not known"),
    fast: copyEngine(
      sourced(
        16_000,
        "Fate, second-hand, one summary: Gen3 x16; the rate is that of rtx3090-pcie3",
      ),
    ),
    conflict:
      "CONFLICT on PCIe: one summary of Fate says Gen3 x16 (taken here), another 1.0 x16 at 4 GB/s " +
      "(gtx1080ti).",
  },
  "h800-pcie5": {
    title: "H800, PCIe 5 x16 (Klotski's environment 2)",
    fastMemoryBytes: gib(80, KLOTSKI),
    hostMemoryBytes: gib(800, KLOTSKI),
    disk: nvme("the paper names no disk"),
    fast: copyEngine(
      sourced(53_900, "measured by this project: pinned copies to an H100 on PCIe 5 x16"),
    ),
  },
  "a5000-pcie4": {
    title: "RTX A5000, PCIe 4 (MoE-Infinity's machine)",
    fastMemoryBytes: gib(24, "MoE-Infinity, README of its code"),
    disk: nvme("the README names no disk"),
    fast: copyEngine(assumed(31_500, "PCIe 4 as the README says, 16 lanes at their nominal rate")),
  },
  "rtx4090-pcie4": {
    title: "RTX 4090, PCIe 4 (ProMoE's machine)",
    fastMemoryBytes: assumed(24 * GIB, "the card is sold with 24 GB"),
    disk: nvme("the summary names no disk"),
    fast: copyEngine(
      assumed(31_500, "PCIe 4 (ProMoE, second-hand), 16 lanes at their nominal rate"),
    ),
  },
  "phone-ufs": {
    title: "A phone: UFS 3.1 storage, one memory for all",
    hostMemoryBytes: assumed(8 * GIB, "a phone of the upper middle class"),
    disk: drive(assumed(2000, "sequential reads of UFS 3.1"), 120, 16, "UFS"),
  },
  nvme: { title: "An NVMe drive alone", disk: nvme("a usual one") },
  sata: {
    title: "A SATA SSD alone",
    disk: drive(assumed(550, "the SATA 3 rate less its coding"), 100, 8, "a SATA SSD"),
  },
  usb3: {
    title: "A drive on USB 3 (5 Gbit/s) alone",
    disk: drive(assumed(400, "5 Gbit/s less coding and protocol"), 200, 1, "a USB drive"),
  },
  "sd-card": {
    title: "A UHS-I memory card alone",
    disk: drive(assumed(90, "the 104 MB/s of UHS-I less protocol"), 500, 1, "a memory card"),
  },
} as const satisfies Record<string, Machine>;

/** Names of the machines. */
export type MachineName = keyof typeof MACHINES;

/** The numbers of a link, without their sources. */
export function linkOptions(link: MachineLink): LinkOptions {
  return {
    bandwidthMBps: link.bandwidthMBps.value,
    latencyUs: link.latencyUs.value,
    queueDepth: link.queueDepth.value,
  };
}
