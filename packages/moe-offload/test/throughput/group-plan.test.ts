import { createPrng, type Prng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { MoeError } from "../../src/errors.ts";
import { type GroupPlanInput, planGroup } from "../../src/throughput/group-plan.ts";

/** Inputs as machines give them: small models to large ones, slow links to fast ones. */
function randomInput(random: Prng): GroupPlanInput {
  const ns = (most: number) => random.nextInt(most);
  const queued = random.nextInt(30);
  const hotRowsPerBatch = random.nextInt(20);
  return {
    times: {
      attentionNs: 1 + ns(2_000_000),
      gateNs: ns(100_000),
      expertNs: ns(200_000),
      expertRowNs: random.nextInt(2) * ns(50_000),
      gateTransferNs: random.nextInt(2) * ns(1_000_000),
      expertTransferNs: ns(3_000_000),
      attentionTransferNs: random.nextInt(2) * ns(5_000_000),
    },
    hotCount: 1 + random.nextInt(4),
    rowsPerBatch: hotRowsPerBatch + random.nextInt(40),
    hotRowsPerBatch,
    queued: () => queued,
    fixedBytes: random.nextInt(1000),
    batchBytes: 1 + random.nextInt(100),
    memoryBytes: 1100 + random.nextInt(10_000),
    batchesMax: 1 + random.nextInt(30),
  };
}

/** Inequalities (4) to (7) of the paper, term by term, in whole numbers of any size. */
function allHold(input: GroupPlanInput, batches: number): boolean {
  const { times } = input;
  const [n, big] = [BigInt(batches), (value: number) => BigInt(value)];
  const tcA = big(times.attentionNs);
  const tcG = big(times.gateNs);
  const K = big(input.hotCount);
  const Q = big(input.queued(batches));
  const row = big(times.expertRowNs);
  const tcHot = K * big(times.expertNs) + n * big(input.hotRowsPerBatch) * row;
  const coldRows = big(input.rowsPerBatch) - big(input.hotRowsPerBatch);
  const sumQ = Q * big(times.expertNs) + n * coldRows * row;
  const tG = big(times.gateTransferNs);
  const tE = big(times.expertTransferNs);
  const tA = big(times.attentionTransferNs);
  return (
    n * tcA >= tG &&
    n * (tcA + tcG) >= tG + K * tE &&
    n * (tcA + tcG) + tcHot >= tG + (K + 1n) * tE &&
    n * (tcA + tcG) + tcHot + sumQ >= tG + (K + Q) * tE + tA
  );
}

/** Each inequality solved for n, for expert times that do not grow with n. */
function closedForm({ times, hotCount: K, queued }: GroupPlanInput): number {
  const Q = queued(1);
  const { attentionNs: tcA, gateNs: tcG, expertNs, expertTransferNs: tE } = times;
  const { gateTransferNs: tG, attentionTransferNs: tA } = times;
  return Math.max(
    1,
    Math.ceil(tG / tcA),
    Math.ceil((tG + K * tE) / (tcA + tcG)),
    Math.ceil((tG + (K + 1) * tE - K * expertNs) / (tcA + tcG)),
    Math.ceil((tG + (K + Q) * tE + tA - (K + Q) * expertNs) / (tcA + tcG)),
  );
}

describe("planGroup", () => {
  const random = createPrng(1, "plans");
  const inputs = Array.from({ length: 400 }, () => randomInput(random));

  it("finds the fewest batches that satisfy every inequality, as trying them in order does", () => {
    for (const input of inputs) {
      let n = 1;
      while (n <= 4096 && !allHold(input, n)) n++;
      const { batches, batchesWanted } = planGroup(input);
      expect(batchesWanted).toBe(n <= 4096 ? n : null);
      const byMemory = Math.floor((input.memoryBytes - input.fixedBytes) / input.batchBytes);
      expect(batches).toBe(Math.min(n, byMemory, input.batchesMax));
    }
  });

  it("agrees with the closed forms where expert times do not depend on the group", () => {
    let compared = 0;
    for (const input of inputs) {
      if (input.times.expertRowNs !== 0) continue;
      const n = closedForm(input);
      if (n <= 4096) expect(planGroup(input).batchesWanted).toBe(n);
      compared++;
    }
    expect(compared).toBeGreaterThan(100);
  });

  it("names the inequality that asks for the most batches, or what kept the group smaller", () => {
    for (const input of inputs) {
      const plan = planGroup(input);
      const own = plan.inequalities.map((one) => one.batchesMin ?? Number.POSITIVE_INFINITY);
      const most = Math.max(...own);
      if (plan.boundBy === "memory") expect(plan.batches).toBe(plan.batchesByMemory);
      else if (plan.boundBy === "limit") expect(plan.batches).toBe(input.batchesMax);
      else {
        expect(plan.batches).toBe(most);
        const equation = Number(plan.boundBy.at(-1));
        expect(plan.inequalities.find((one) => one.equation === equation)?.batchesMin).toBe(most);
        expect(plan.inequalities.every((one) => one.holds)).toBe(true);
      }
    }
    const reasons = new Set(inputs.map((input) => planGroup(input).boundBy));
    expect([...reasons]).toEqual(expect.arrayContaining(["memory", "limit", "equation 7"]));
  });

  it("refuses a memory in which not even one batch fits, and says what it takes", () => {
    const input = { ...randomInput(random), fixedBytes: 500, batchBytes: 100, memoryBytes: 599 };
    try {
      planGroup(input);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(MoeError);
      expect(error).toMatchObject({ failure: { code: "GROUP_TOO_LARGE", neededBytes: 600 } });
    }
    expect(planGroup({ ...input, memoryBytes: 600 }).batches).toBe(1);
  });
});
