import { describe, expect, it } from "vitest";
import { addressOf } from "../../src/ledger/address.ts";
import { genesisState } from "../../src/ledger/state.ts";
import { checkAtomicity } from "../../src/oracles/atomicity.ts";
import { checkConservation, totalBalance } from "../../src/oracles/conservation.ts";
import { RunHistory } from "../../src/oracles/history.ts";

describe("the conservation oracle", () => {
  const totals = (now: bigint) => ({ genesis: 100n, now });

  it("is silent while value is in flight and after it has arrived", () => {
    const history = new RunHistory();
    history.burn(1n);
    history.move("A", -10n);
    expect(checkConservation(history, totals(89n))).toMatchObject({
      passed: true,
      facts: { inFlightCount: 1 },
    });
    history.move("A", 10n);
    history.finish("A", "commit");
    expect(checkConservation(history, totals(99n)).passed).toBe(true);
  });

  const planted: [string, (history: RunHistory) => void, bigint, RegExp][] = [
    ["a credit that never came", (history) => history.move("A", -10n), 90n, /lost 10 wei/],
    ["a refund paid twice", (history) => history.move("A", 10n), 110n, /created 10 wei/],
  ];
  it.each(planted)("finds %s", (_, act, now, what) => {
    const history = new RunHistory();
    act(history);
    history.finish("A", "commit");
    const verdict = checkConservation(history, totals(now));
    expect(verdict.passed).toBe(false);
    expect(verdict.violations[0]?.what).toMatch(what);
  });

  it("finds a credit that went before its debit, though the sums are right in the end", () => {
    const history = new RunHistory();
    history.move("A", 5n);
    history.move("A", -5n);
    history.finish("A", "commit");
    const verdict = checkConservation(history, totals(100n));
    expect(verdict.violations[0]?.what).toBe("A gave out 5 wei that it had not taken from anybody");
  });

  it("finds money in the state that no record explains", () => {
    const verdict = checkConservation(new RunHistory(), totals(101n));
    expect(verdict.violations[0]?.what).toMatch(/the shards hold 101 wei.*genesis gave 100/);
  });

  it("counts every account of a state", () => {
    const state = genesisState([1n, 20n, 300n].map((amount) => [addressOf(`${amount}`), amount]));
    expect(totalBalance(state)).toBe(321n);
  });
});

describe("the atomicity oracle", () => {
  const check = (act: (history: RunHistory) => void, isDrained = true) => {
    const history = new RunHistory();
    history.begin("A", 2);
    act(history);
    return checkAtomicity(history, { isDrained });
  };

  it("is silent on transactions that end alike everywhere", () => {
    const both = (outcome: "commit" | "abort") => (history: RunHistory) => {
      history.settle("A", 0, 3, outcome);
      history.settle("A", 1, 5, outcome);
      history.finish("A", outcome);
    };
    expect(check(both("commit")).passed).toBe(true);
    expect(check(both("abort")).passed).toBe(true);
    const abortedEarly = check((history) => {
      history.settle("A", 0, 3, "abort");
      history.finish("A", "abort");
    });
    expect(abortedEarly.passed).toBe(true);
  });

  it("takes an open transaction for a violation only when nothing is in flight any more", () => {
    const open = (history: RunHistory) => history.settle("A", 0, 3, "commit");
    expect(check(open, false)).toMatchObject({ passed: true, facts: { unfinishedCount: 1 } });
    expect(check(open, true).violations[0]?.what).toBe("A never ended: 1 of its 2 parts did");
  });

  const planted: [string, (history: RunHistory) => void, RegExp][] = [
    [
      "one shard that commits while another aborts",
      (history) => {
        history.settle("A", 0, 3, "commit");
        history.settle("A", 1, 5, "abort");
      },
      /committed part 0 on shard 3 and aborted part 1 on shard 5/,
    ],
    [
      "a part applied twice",
      (history) => {
        history.settle("A", 0, 3, "commit");
        history.settle("A", 0, 3, "commit");
        history.settle("A", 1, 5, "commit");
        history.finish("A", "commit");
      },
      /ended part 0 twice/,
    ],
    [
      "a commit with a part missing",
      (history) => {
        history.settle("A", 0, 3, "commit");
        history.finish("A", "commit");
      },
      /only 1 of its 2 parts/,
    ],
    [
      "an abort after a part committed",
      (history) => {
        history.settle("A", 0, 3, "commit");
        history.finish("A", "abort");
      },
      /said to abort, but part 0 on shard 3/,
    ],
    ["a part it does not have", (history) => history.settle("A", 2, 3, "commit"), /has 2/],
  ];
  it.each(planted)("finds %s", (_, act, what) => {
    const verdict = check(act, false);
    expect(verdict.passed).toBe(false);
    expect(verdict.violations.map((violation) => violation.what).join()).toMatch(what);
  });

  it("keeps the first violations and counts the rest", () => {
    const history = new RunHistory();
    for (let i = 0; i < 50; i++) history.begin(`t${i}`, 1);
    const verdict = checkAtomicity(history, { isDrained: true });
    expect([verdict.violationCount, verdict.violations.length]).toEqual([50, 20]);
  });

  it("refuses records that contradict each other", () => {
    const history = new RunHistory();
    history.begin("A", 2);
    expect(() => history.begin("A", 3)).toThrow(/2 parts before and 3 now/);
    history.finish("A", "commit");
    expect(() => history.finish("A", "abort")).toThrow(/ended twice/);
  });
});
