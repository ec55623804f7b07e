import { plural } from "../../ui/format/number.ts";

/** The most seeds one launch takes (the server's limit). */
export const SEEDS_MAX = 1_000;
const SEED_MAX = Number.MAX_SAFE_INTEGER;

export type Seeds = { seeds: number[] } | { problem: string };

/** `count` seeds from `first` on. */
export function countedSeeds(countText: string, firstText: string): Seeds {
  const count = readInteger(countText);
  const first = readInteger(firstText);
  const badCount = count === null || count < 1 || count > SEEDS_MAX;
  const badFirst = first === null || first > SEED_MAX - (badCount ? 1 : count);
  if (badCount || badFirst) {
    const problems = [
      ...(badCount ? [`The number of seeds is a whole number from 1 to ${SEEDS_MAX}`] : []),
      ...(badFirst ? ["The first seed is a whole number, 0 or more"] : []),
    ];
    return { problem: problems.join(". ") };
  }
  return { seeds: Array.from({ length: count }, (_, i) => first + i) };
}

/** Seeds written as a list with ranges, e.g. `0-4, 7, 42`. */
export function listedSeeds(text: string): Seeds {
  const parts = text.split(/[\s,;]+/).filter((part) => part !== "");
  if (parts.length === 0) return { problem: "Write at least one seed, e.g. 0-4, 7" };
  const seeds = new Set<number>();
  for (const part of parts) {
    const [, low = "", high = low] = /^(\d+)(?:(?:-|\.\.|…)(\d+))?$/.exec(part) ?? [];
    const [from, to] = [readInteger(low), readInteger(high)];
    if (from === null || to === null || to < from) {
      return { problem: `“${part}” is neither a seed nor a range such as 0-4` };
    }
    if (to - from >= SEEDS_MAX) return { problem: tooMany(to - from + 1) };
    for (let seed = from; seed <= to; seed++) seeds.add(seed);
    if (seeds.size > SEEDS_MAX) return { problem: tooMany(seeds.size) };
  }
  return { seeds: [...seeds] };
}

const tooMany = (count: number) =>
  `These are ${plural(count, "seed")}; one launch takes at most ${SEEDS_MAX.toLocaleString("en-US")}`;

function readInteger(text: string): number | null {
  const trimmed = text.trim();
  if (!/^\d+$/.test(trimmed)) return null;
  const value = Number(trimmed);
  return Number.isSafeInteger(value) ? value : null;
}
