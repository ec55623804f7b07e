import type { Committee } from "../node/committee.ts";

/**
 * The highest view that validators with at least `neededPower` have reached or passed, by the view
 * each says it is in; -1 when there is none.
 */
export function highestBackedView(
  committee: Committee,
  views: ReadonlyMap<number, { readonly view: number }>,
  neededPower: number,
): number {
  const falling = [...views].sort(([, a], [, b]) => b.view - a.view);
  let power = 0;
  for (const [validator, { view }] of falling) {
    power += committee.powerOf(validator);
    if (power >= neededPower) return view;
  }
  return -1;
}
