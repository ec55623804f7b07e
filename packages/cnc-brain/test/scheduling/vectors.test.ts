import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { MinCostFlow } from "../../src/scheduling/flow-solver.ts";
import {
  balancedImprovementScore,
  balancedScore,
  imageLocalityScore,
  leastAllocatedScore,
  mostAllocatedScore,
} from "../../src/scheduling/kubernetes-scores.ts";
import { coprimesOf, probeOrder } from "../../src/scheduling/openwhisk.ts";

describe("the vectors of the paper notes, section 9", () => {
  it("OpenWhisk probes 10 nodes from hash 13", () => {
    expect([...probeOrder(13, 10)]).toEqual([3, 6, 9, 2, 5, 8, 1, 4, 7, 0]);
  });

  it("Kubernetes: BalancedAllocation 80, LeastAllocated 60, in the new form 65", () => {
    expect(balancedScore([0.6, 0.2])).toBe(80);
    expect(leastAllocatedScore([0.6, 0.2])).toBe(60);
    expect(balancedImprovementScore([0.5, 0.5], [0.6, 0.2])).toBe(65);
  });
});

describe("OpenWhisk's steps", () => {
  it("reach every node exactly once, whatever the hash", () => {
    for (let nodes = 1; nodes <= 40; nodes++) {
      for (let hash = 0; hash < 2 * nodes; hash++) {
        expect(new Set(probeOrder(hash, nodes)).size).toBe(nodes);
      }
    }
    expect(coprimesOf(10)).toEqual([1, 3, 7]);
  });
});

describe("Kubernetes' other scores", () => {
  it("fill up with MostAllocated, and give nothing beyond the capacity", () => {
    expect(mostAllocatedScore([0.6, 0.2])).toBe(40);
    expect([leastAllocatedScore([1.2, 0]), mostAllocatedScore([1.2, 0.5])]).toEqual([50, 25]);
  });

  it("use the population's deviation for more than two resources", () => {
    // Mean 0.4, squares 0.04 + 0 + 0.04 over 3: deviation 0.1633.
    expect(balancedScore([0.2, 0.4, 0.6])).toBe(83);
  });

  it("count images between 23 and 1000 MB, by the share of nodes that have them", () => {
    expect(imageLocalityScore(20, 4, 4)).toBe(0);
    expect(imageLocalityScore(2000, 4, 4)).toBe(100);
    expect(imageLocalityScore(1000, 1, 2)).toBe(48);
  });
});

describe("the flow solver", () => {
  it("finds the cheapest largest assignment, as trying all of them does", () => {
    for (let seed = 0; seed < 120; seed++) {
      const prng = createPrng(seed, "flow");
      const [left, right] = [1 + prng.nextInt(4), 1 + prng.nextInt(4)];
      const cost = Array.from({ length: left }, () =>
        Array.from({ length: right }, () => (prng.chance(0.8) ? prng.nextInt(20) : undefined)),
      );
      const slots = Array.from({ length: right }, () => prng.nextInt(3));
      const flow = new MinCostFlow(left + right + 2);
      for (let i = 0; i < left; i++) {
        flow.addArc(0, 1 + i, 1, 0);
        for (const [j, c] of (cost[i] ?? []).entries()) {
          if (c !== undefined) flow.addArc(1 + i, 1 + left + j, 1, c);
        }
      }
      for (const [j, count] of slots.entries()) {
        flow.addArc(1 + left + j, left + right + 1, count, 0);
      }
      expect(flow.solve(0, left + right + 1), `seed ${seed}`).toEqual(tryAll(cost, slots));
    }
  });
});

function tryAll(cost: (number | undefined)[][], slots: number[]): { amount: number; cost: number } {
  let best = { amount: 0, cost: 0 };
  const visit = (i: number, free: number[], amount: number, sum: number): void => {
    if (i === cost.length) {
      if (amount > best.amount || (amount === best.amount && sum < best.cost)) {
        best = { amount, cost: sum };
      }
      return;
    }
    visit(i + 1, free, amount, sum);
    cost[i]?.forEach((c, j) => {
      if (c === undefined || free[j] === 0) return;
      visit(
        i + 1,
        free.map((f, k) => (k === j ? f - 1 : f)),
        amount + 1,
        sum + c,
      );
    });
  };
  visit(0, slots, 0, 0);
  return best;
}
