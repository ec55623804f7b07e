import { TENSOR_TYPE } from "@fmlab/ggml";
import { describe, expect, it } from "vitest";
import { requireReached, slotsReached } from "../../src/engine/slot-limits.ts";

// Mixtral's gate: 14336 x 4096.
const gate = (type: number) => ({ name: "gate", type, columns: 4096, rows: 14_336 }) as never;

describe("slots that a product reaches", () => {
  it("are those whose last block has a number below 2^31 on a card", () => {
    const elements = 4096 * 14_336;
    expect(slotsReached(gate(TENSOR_TYPE.F16), 1, "gpu")).toBe(36);
    expect(36 * elements).toBeLessThan(2 ** 31);
    expect(37 * elements).toBeGreaterThan(2 ** 31);
    expect(slotsReached(gate(TENSOR_TYPE.F16), 2, "gpu")).toBe(18);
  });

  it("are as many more as a block has elements", () => {
    expect(slotsReached(gate(TENSOR_TYPE.Q4_0), 1, "gpu")).toBe(1170);
  });

  it("have no limit on the CPU, and a clear one on a card", () => {
    expect(() => requireReached(4000, gate(TENSOR_TYPE.F16), "cpu")).not.toThrow();
    expect(() => requireReached(37, gate(TENSOR_TYPE.F16), "gpu")).toThrow(
      "slots of a card that counts blocks of each gate matrix of 4096 x 14336 in 32 bits is 37; " +
        "expected a whole number from 1 to 36",
    );
  });
});
