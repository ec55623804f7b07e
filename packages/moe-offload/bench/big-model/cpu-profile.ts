import { type Profiler, Session } from "node:inspector";

/** Between two samples, microseconds. */
const INTERVAL_US = 200;

/** Runs something under V8's sampling profiler. */
export function profiled(run: () => void): Profiler.Profile {
  const session = new Session();
  session.connect();
  try {
    // The session's own thread answers before `post` returns.
    session.post("Profiler.enable");
    session.post("Profiler.setSamplingInterval", { interval: INTERVAL_US });
    session.post("Profiler.start");
    run();
    let found: Profiler.Profile | undefined;
    session.post("Profiler.stop", (_, result) => {
      found = result?.profile;
    });
    if (!found) throw new Error("the profiler gave nothing");
    return found;
  } finally {
    session.disconnect();
  }
}

/** Places that samples of a profile are counted under. */
export type ProfileShares = Record<string, number>;

/** Parts of a token, and the functions whose own time and that of what they call belong to them. */
const PLACES: readonly (readonly [name: string, pattern: RegExp])[] = [
  ["native", /ggml\/src\/plan\.ts compute$/],
  ["lane", /src\/tiers\//],
  ["policy", /src\/policies\//],
  ["predictor", /src\/predictors\//],
  ["scheduler", /src\/offload\//],
  ["engine", /src\/engine\//],
  ["binding", /packages\/ggml\/src\//],
];
const WAITING = /src\/tiers\/transfer-lane\.ts waitFor$/;
const TOKEN = /src\/engine\/engine\.ts decode$/;

/**
 * Time by place, milliseconds, of the samples in which a token was being decoded: each counts for
 * the innermost function that has a place.
 *
 * @see Chrome DevTools protocol, domain Profiler, type Profile
 */
export function profileShares(profile: Profiler.Profile): ProfileShares {
  const { nodes, samples = [], timeDeltas = [] } = profile;
  const names = new Map(
    nodes.map(({ id, callFrame }) => [id, `${callFrame.url} ${callFrame.functionName}`]),
  );
  const parents = new Map(
    nodes.flatMap(({ children, id }) => (children ?? []).map((child) => [child, id] as const)),
  );
  const places = new Map(nodes.map(({ id }) => [id, placeOf(id, names, parents)]));
  const sums: ProfileShares = {};
  samples.forEach((sample, i) => {
    const place = places.get(sample);
    // The time up to a sample is that of the sample before.
    if (place) sums[place] = (sums[place] ?? 0) + Math.max(0, timeDeltas[i + 1] ?? 0) / 1e3;
  });
  return sums;
}

/** The place of a node of the tree of calls; undefined outside of a token. */
function placeOf(
  leaf: number,
  names: ReadonlyMap<number, string>,
  parents: ReadonlyMap<number, number>,
): string | undefined {
  let place: string | undefined;
  let isOuter = false;
  for (let id: number | undefined = leaf; id !== undefined; id = parents.get(id)) {
    const name = names.get(id) ?? "";
    place ??= PLACES.find(([, pattern]) => pattern.test(name))?.[0];
    // Whatever runs while the computation waits is waiting.
    if (WAITING.test(name)) place = "waiting";
    if (TOKEN.test(name)) isOuter = true;
  }
  return isOuter ? (place ?? "other") : undefined;
}
