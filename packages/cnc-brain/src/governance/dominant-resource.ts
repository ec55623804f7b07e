import { requireSetting } from "../errors.ts";

/** Amounts of each resource, in any fixed order and units. */
export type ResourceVector = readonly number[];

/** The largest share a demand has of any resource: its dominant share. */
export function dominantShare(used: ResourceVector, capacity: ResourceVector): number {
  return capacity.reduce(
    (most, size, r) => (size > 0 ? Math.max(most, (used[r] ?? 0) / size) : most),
    0,
  );
}

/** A user of a shared cluster who runs equal tasks. */
export interface ResourceUser {
  demand: ResourceVector;
  /** Larger: more of the cluster in proportion. */
  weight: number;
}

/**
 * Dominant-resource fairness by progressive filling: again and again, the user with the lowest
 * dominant share over weight launches a task, while that task fits.
 *
 * @returns tasks of each user
 * @see Ghodsi et al. 2011, Dominant Resource Fairness (NSDI), algorithm 1
 */
export function drfAllocate(capacity: ResourceVector, users: readonly ResourceUser[]): number[] {
  for (const { demand, weight } of users) {
    requireSetting(weight > 0, "weight", weight, "above 0");
    requireSetting(
      demand.some((amount, r) => amount > 0 && (capacity[r] ?? 0) > 0),
      "demand",
      demand.join(" "),
      "above 0 in a resource there is",
    );
  }
  const tasks = users.map(() => 0);
  const used = capacity.map(() => 0);
  const shareOf = (u: number): number => {
    const { demand, weight } = users[u] as ResourceUser;
    const mine = demand.map((amount) => amount * (tasks[u] as number));
    return dominantShare(mine, capacity) / weight;
  };
  const open = new Set(users.keys());
  while (open.size > 0) {
    const next = [...open].sort((a, b) => shareOf(a) - shareOf(b) || a - b)[0] as number;
    const { demand } = users[next] as ResourceUser;
    const fits = capacity.every((size, r) => (used[r] as number) + (demand[r] ?? 0) <= size + 1e-9);
    if (!fits) {
      open.delete(next);
      continue;
    }
    demand.forEach((amount, r) => {
      used[r] = (used[r] as number) + amount;
    });
    tasks[next] = (tasks[next] as number) + 1;
  }
  return tasks;
}
