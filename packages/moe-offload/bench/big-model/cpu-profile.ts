import { readFileSync } from "node:fs";

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** Places that samples of a profile are counted under. */
export type ProfileShares = Record<string, number>;

/** Parts of this package that a token runs through, and where their files lie. */
const PLACES: readonly (readonly [name: string, pattern: RegExp])[] = [
  ["policy", /moe-offload\/src\/policies\//],
  ["predictor", /moe-offload\/src\/predictors\//],
  ["scheduler", /moe-offload\/src\/offload\//],
  ["lane", /moe-offload\/src\/tiers\//],
  ["engine", /moe-offload\/src\/engine\//],
  ["binding", /packages\/ggml\/src\/(?!plan\.)/],
];

/**
 * Self time by place, milliseconds, of the samples between the first and the last call of a
 * function: loading and opening are left out.
 *
 * @see Chrome DevTools protocol, domain Profiler, type Profile
 */
export function profileShares(path: string, within: string): ProfileShares {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(path, "utf8")) as Profile;
  const frames = new Map(nodes.map((node) => [node.id, node.callFrame]));
  const isWithin = (id: number) => frames.get(id)?.functionName === within;
  const first = samples.findIndex(isWithin);
  const last = samples.findLastIndex(isWithin);
  const sums: ProfileShares = {};
  for (let i = Math.max(0, first); i <= last; i++) {
    const frame = frames.get(samples[i] ?? 0);
    const place = frame ? placeOf(frame) : "other";
    sums[place] = (sums[place] ?? 0) + (timeDeltas[i] ?? 0) / 1e3;
  }
  return sums;
}

function placeOf({ functionName, url }: { functionName: string; url: string }): string {
  if (functionName === "waitFor" && url.includes("/tiers/")) return "waiting";
  for (const [name, pattern] of PLACES) if (pattern.test(url)) return name;
  if (functionName === "compute" || functionName.startsWith("ggml_")) return "native";
  if (functionName === "(garbage collector)") return "garbage collector";
  return functionName === "(program)" ? "program" : "other";
}
