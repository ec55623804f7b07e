import { describe, expect, it } from "vitest";
import { checkLink } from "../../src/tiers/link.ts";
import { linkOptions, MACHINES, type Machine, type Sourced } from "../../src/tiers/machines.ts";

const machines: [string, Machine][] = Object.entries(MACHINES);

/** Every number of a machine with its source, wherever it stands. */
function numbersOf(value: unknown): Sourced[] {
  if (typeof value !== "object" || value === null) return [];
  if ("source" in value) return [value as Sourced];
  return Object.values(value).flatMap(numbersOf);
}

describe("named machines", () => {
  it.each(machines)("%s has links that can be emulated, and a source for each number", (_, one) => {
    for (const link of [one.disk, ...(one.fast ? [one.fast] : [])]) {
      expect(() => checkLink("link", linkOptions(link))).not.toThrow();
      expect(linkOptions(link).bandwidthMBps).toBeGreaterThan(0);
    }
    const numbers = numbersOf(one);
    expect(numbers.length).toBeGreaterThanOrEqual(3);
    for (const { value, source } of numbers) {
      expect(value).toBeGreaterThan(0);
      // Nothing is a paper's word unless it is: all else says that it is second-hand or assumed.
      expect(source).toMatch(/second-hand|paper$|paper:|README|measured by|^assumption: /);
    }
  });

  it("tell where the sources disagree", () => {
    const disputed = machines.filter(([, one]) => one.conflict !== undefined).map(([name]) => name);
    expect(disputed).toEqual(["gtx1080ti", "gtx1080ti-pcie3"]);
    const rates = disputed.map((name) => {
      const { fast } = MACHINES[name as "gtx1080ti"];
      return fast.bandwidthMBps.value;
    });
    expect(rates).toEqual([4000, 16_000]);
  });
});
