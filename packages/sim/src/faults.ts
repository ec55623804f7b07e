/** When a fault acts, by the virtual time at which a message leaves: start <= time < end. */
export interface FaultWindow {
  readonly startMs: number;
  readonly endMs: number;
}

/** Messages between groups do not pass. A node in no group is a group of its own. */
export interface PartitionFault extends FaultWindow {
  readonly kind: "partition";
  readonly groups: readonly (readonly number[])[];
  /** `hold` delivers after the window, as a connection that sends again does; `drop` loses. */
  readonly mode: "hold" | "drop";
}

/** Messages take longer, each by another time; never beyond the window's end. */
export interface DelayFault extends FaultWindow {
  readonly kind: "delay";
  /** Senders; undefined for all. */
  readonly from?: readonly number[];
  /** Receivers; undefined for all. */
  readonly to?: readonly number[];
  readonly delayMs: readonly [least: number, most: number];
}

/** Messages are lost. */
export interface LossFault extends FaultWindow {
  readonly kind: "loss";
  readonly from?: readonly number[];
  readonly to?: readonly number[];
  readonly probability: number;
}

/** A disturbance of the network for a time, as data: it can be written down and left out. */
export type NetworkFault = PartitionFault | DelayFault | LossFault;

/** Whether the fault acts on a message. */
export function concerns(fault: NetworkFault, from: number, to: number, atMs: number): boolean {
  if (atMs < fault.startMs || atMs >= fault.endMs) return false;
  if (fault.kind === "partition") return groupOf(fault, from) !== groupOf(fault, to);
  return (fault.from?.includes(from) ?? true) && (fault.to?.includes(to) ?? true);
}

function groupOf(fault: PartitionFault, node: number): number {
  const group = fault.groups.findIndex((members) => members.includes(node));
  return group < 0 ? -1 - node : group;
}
