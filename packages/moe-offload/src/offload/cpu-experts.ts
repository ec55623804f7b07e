import type { DeviceName } from "../engine/device/device-names.ts";
import { MoeError } from "../errors.ts";
import type { ExpertLayout } from "../model/expert-layout.ts";
import { HeldPlaces } from "../tiers/held-places.ts";
import type { HostTier, HostTierOptions } from "../tiers/host-tier.ts";
import type { CpuChoiceName } from "./cpu-choice-names.ts";
import { MissedOnCpu } from "./cpu-share.ts";
import type { Lane } from "./lane.ts";
import { MeasuredCosts } from "./miss-costs.ts";

/** How the CPU computes missed experts beside a card. */
export interface CpuExpertOptions {
  /** Threads that compute, 1 to 64; the one that serves the card is among them. */
  readonly threads: number;
  /** Which missed experts. */
  readonly choice: CpuChoiceName;
}

/** What decides whether the CPU can compute experts. */
interface Surroundings {
  readonly cpuExperts?: CpuExpertOptions | undefined;
  readonly device?: DeviceName | undefined;
  readonly host: Pick<HostTierOptions, "budgetBytes">;
  readonly hostTier?: HostTier | undefined;
  readonly lowPrecision?: object | undefined;
}

/** @throws MoeError `CONFLICTING_SETTINGS` where the CPU cannot compute experts beside a card */
export function checkCpuExperts(options: Surroundings): void {
  const { cpuExperts, device = "cpu", host, hostTier, lowPrecision } = options;
  if (!cpuExperts) return;
  if (device === "cpu") {
    throw conflicting(
      "cpuExperts lets the CPU compute experts beside a card, and device is cpu: it computes all " +
        "of them already. Set cpuExperts.threads to 0, or device to a card.",
      ["cpuExperts.threads", "device"],
    );
  }
  if (host.budgetBytes === 0 && !hostTier) {
    throw conflicting(
      "cpuExperts computes experts where they lie in host memory, and there is none. Give host a " +
        "budget, best one for all experts, or set cpuExperts.threads to 0.",
      ["cpuExperts.threads", "host.budgetMiB"],
    );
  }
  if (lowPrecision) {
    throw conflicting(
      "misses are computed in low precision or by the CPU, not both. Set cpuExperts.threads to 0 " +
        "or lowPrecision.type to none.",
      ["cpuExperts.threads", "lowPrecision.type"],
    );
  }
}

/** Fast memory that stands for experts computed elsewhere: one expert of each class. */
export function noughtBytes({ classes }: Pick<ExpertLayout, "classes">): number {
  return classes.reduce((sum, { expertBytes }) => sum + expertBytes, 0);
}

/** The CPU's share of misses; undefined when it has none. */
export function cpuShareOf(
  layout: ExpertLayout,
  lane: Lane,
  host: HostTier,
  options: CpuExpertOptions | undefined,
): MissedOnCpu | undefined {
  if (!options) return undefined;
  const { expertUsedCount } = layout;
  return new MissedOnCpu({
    places: new HeldPlaces(host.plan),
    costs: new MeasuredCosts(expertUsedCount),
    choice: options.choice,
    lane,
    expertUsedCount,
    expertBytes: (layer) => layout.classOfLayer(layer).expertBytes,
  });
}

function conflicting(message: string, settings: string[]): MoeError {
  return new MoeError(message, { code: "CONFLICTING_SETTINGS", settings });
}
