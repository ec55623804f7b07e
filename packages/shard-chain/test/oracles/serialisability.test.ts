import { createPrng, type Prng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { RunHistory } from "../../src/oracles/history.ts";
import { checkSerialisability } from "../../src/oracles/serialisability.ts";

/** One line an access: transaction, `r` or `w` or `u`, key, and for old reads what was observed. */
function historyOf(lines: string, aborted: string[] = []): RunHistory {
  const history = new RunHistory();
  for (const line of lines.trim().split(/\s*;\s*/)) {
    const [tx = "", op, key = "", observed] = line.split(" ");
    if (op === "w") history.write(tx, key);
    else if (op === "u") history.undo(tx, key);
    else history.read(tx, key, observed);
  }
  for (const tx of aborted) history.finish(tx, "abort");
  return history;
}

describe("the serialisability oracle", () => {
  it("is silent on a serial history and on an interleaved one with a serial order", () => {
    for (const lines of [
      "A w x; A w y; B r x; B w y",
      "A w x; B w y; B r z; A r z; C r x; C r y",
    ]) {
      const verdict = checkSerialisability(historyOf(lines));
      expect(verdict).toMatchObject({ passed: true, violationCount: 0 });
    }
  });

  const planted: [name: string, lines: string, cycle: string][] = [
    ["a lost update", "A r x; B r x; A w x; B w x", "A was overwritten by B (x)"],
    [
      "a write skew",
      "A r x; A r y; B r x; B r y; A w x; B w y",
      "B read before the write of A (x)",
    ],
    ["an inconsistent read", "A w x; B r x; B r y; A w y", "A was read by B (x)"],
    ["crossed writes of two shards", "A w x; B w x; B w y; A w y", "B was overwritten by A (y)"],
    ["a read of a stale snapshot", "A w x; A w y; B r x; B r y genesis", "A was read by B (x)"],
    ["an intermediate read", "A w x; B r x; A w x", "A was read by B (x)"],
  ];
  it.each(planted)("finds %s and prints the cycle", (_, lines, cycle) => {
    const verdict = checkSerialisability(historyOf(lines));
    expect(verdict.passed).toBe(false);
    expect(verdict.violations[0]?.what).toContain(cycle);
    expect(new Set(verdict.violations[0]?.transactions)).toEqual(new Set(["A", "B"]));
  });

  it("finds a read of an aborted write, unless the write was undone before", () => {
    const dirty = checkSerialisability(historyOf("A w x; B r x", ["A"]));
    expect(dirty.violations[0]?.what).toBe("B read x as A wrote it, which aborted");
    expect(checkSerialisability(historyOf("A w x; A u x; B r x", ["A"])).passed).toBe(true);
    const built = checkSerialisability(historyOf("A w x; B w x; A u x", ["A"]));
    expect(built.violations[0]?.what).toBe("B read x as A wrote it, which aborted");
    expect(checkSerialisability(historyOf("A w x; A u x; B w x", ["A"])).passed).toBe(true);
    expect(checkSerialisability(historyOf("A w x; B r x", ["A", "B"])).passed).toBe(true);
  });

  it("finds a read of a version that never was", () => {
    const verdict = checkSerialisability(historyOf("B r x A; A w x"));
    expect(verdict.violations[0]?.what).toContain("had not written it");
  });

  it("prints a shortest cycle of a large tangle", () => {
    const firsts = Array.from({ length: 50 }, (_, i) => `T${i} w k${i}`);
    const seconds = Array.from({ length: 50 }, (_, i) => `T${(i + 1) % 50} w k${i}`);
    const chain = checkSerialisability(historyOf([...firsts, ...seconds.slice(1)].join(";")));
    expect(chain).toMatchObject({ passed: true, facts: { dependencyCount: 49 } });
    const circle = checkSerialisability(historyOf([...firsts, ...seconds].join(";")));
    expect(circle).toMatchObject({ violationCount: 1, facts: { tangledTransactions: 50 } });
    expect(circle.violations[0]?.transactions).toHaveLength(50);
    const shortcut = [...firsts, ...seconds, "T0 w k2", "T49 w k2", "T0 w k2"];
    const [shortest] = checkSerialisability(historyOf(shortcut.join(";"))).violations;
    expect(shortest?.transactions).toHaveLength(2);
  });

  it("agrees with a search of all serial orders on many small histories", () => {
    let refused = 0;
    for (let seed = 0; seed < 400; seed++) {
      const lines = randomHistory(createPrng(seed));
      const expected = hasSerialOrder(lines);
      expect(checkSerialisability(historyOf(lines.join(";"))).passed, lines.join("; ")).toBe(
        expected,
      );
      if (!expected) refused++;
    }
    expect(refused).toBeGreaterThan(50);
    expect(refused).toBeLessThan(350);
  });
});

/** Accesses of four transactions to three keys; some reads are of old versions. */
function randomHistory(prng: Prng): string[] {
  const writers = new Map<string, string[]>();
  return Array.from({ length: 3 + prng.nextInt(6) }, () => {
    const tx = prng.pick(["A", "B", "C", "D"]);
    const key = prng.pick(["x", "y", "z"]);
    const versions = writers.get(key) ?? ["genesis"];
    writers.set(key, versions);
    if (prng.chance(0.5)) {
      // Write once a key, so that a version is named by its writer.
      if (versions.includes(tx)) return `${tx} r ${key} ${tx}`;
      versions.push(tx);
      return `${tx} w ${key}`;
    }
    const observed =
      versions.includes(tx) || prng.chance(0.8) ? versions.at(-1) : prng.pick(versions);
    return `${tx} r ${key} ${observed}`;
  });
}

/** Tries every order: are all reads and the order of versions as recorded? */
function hasSerialOrder(lines: readonly string[]): boolean {
  const accesses = lines.map((line) => line.split(" "));
  const versions = new Map<string, string[]>();
  for (const [tx = "", op, key = ""] of accesses) {
    if (op === "w") versions.set(key, [...(versions.get(key) ?? []), tx]);
  }
  const names = [...new Set(accesses.map(([tx = ""]) => tx))];
  return permutations(names).some((order) => {
    const position = (tx: string) => (tx === "genesis" ? -1 : order.indexOf(tx));
    const versionsFit = [...versions.values()].every((list) =>
      list.every((tx, i) => i === 0 || position(list[i - 1] as string) < position(tx)),
    );
    const readsFit = accesses.every(([tx = "", op, key = "", observed = ""]) => {
      if (op !== "r" || observed === tx) return true;
      const before = (versions.get(key) ?? []).filter(
        (writer) => writer !== tx && position(writer) < position(tx),
      );
      return (before.at(-1) ?? "genesis") === observed;
    });
    return versionsFit && readsFit;
  });
}

function permutations(names: readonly string[]): string[][] {
  if (names.length <= 1) return [[...names]];
  return names.flatMap((name) =>
    permutations(names.filter((other) => other !== name)).map((rest) => [name, ...rest]),
  );
}
