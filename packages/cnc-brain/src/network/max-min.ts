/**
 * Max-min fair rates by progressive filling: the tightest link fixes its flows at an equal share,
 * then the next tightest one of what is left, until every flow is fixed.
 *
 * @param paths   directed links of each flow; a link at most once in a path
 * @param capacity of each link, any unit, > 0; Infinity never limits
 * @returns rate of each flow in the same unit; Infinity for a flow that no link limits
 * @see Bertsekas, Gallager 1992, Data Networks, 6.5.2
 * Cost: O(links used x (links used + flows on them)).
 */
export function maxMinRates(
  paths: readonly ArrayLike<number>[],
  capacity: ArrayLike<number>,
): Float64Array {
  const rates = new Float64Array(paths.length).fill(Number.POSITIVE_INFINITY);
  const flowsOf = new Map<number, number[]>();
  paths.forEach((path, flow) => {
    for (let i = 0; i < path.length; i++) {
      const link = path[i] as number;
      if ((capacity[link] as number) === Number.POSITIVE_INFINITY) continue;
      const flows = flowsOf.get(link);
      if (flows === undefined) flowsOf.set(link, [flow]);
      else flows.push(flow);
    }
  });
  const links = [...flowsOf].map(([link, flows]) => ({
    link,
    flows,
    left: capacity[link] as number,
    open: flows.length,
  }));
  const byLink = new Map(links.map((state) => [state.link, state]));
  for (;;) {
    const tightest = tightestOf(links);
    if (tightest === undefined) return rates;
    const share = Math.max(0, tightest.left / tightest.open);
    for (const flow of tightest.flows) {
      if (rates[flow] !== Number.POSITIVE_INFINITY) continue;
      rates[flow] = share;
      const path = paths[flow] as ArrayLike<number>;
      for (let i = 0; i < path.length; i++) {
        const state = byLink.get(path[i] as number);
        if (state === undefined) continue;
        state.left -= share;
        state.open--;
      }
    }
    tightest.open = 0;
  }
}

interface LinkState {
  link: number;
  flows: number[];
  left: number;
  open: number;
}

function tightestOf(links: readonly LinkState[]): LinkState | undefined {
  let tightest: LinkState | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const state of links) {
    if (state.open > 0 && state.left / state.open < least) {
      least = state.left / state.open;
      tightest = state;
    }
  }
  return tightest;
}
