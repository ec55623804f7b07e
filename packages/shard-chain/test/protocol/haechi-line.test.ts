import { createPrng, type Prng } from "@fmlab/sim";
import { expect, it } from "vitest";
import { type Address, addressOf } from "../../src/ledger/address.ts";
import {
  emptyLine,
  isFirstInLine,
  type LineAccess,
  leaveLine,
  standInLine,
} from "../../src/protocol/haechi-line.ts";

const ACCOUNTS = Array.from({ length: 5 }, (_, i) => addressOf(`account ${i}`));

it("lets a transaction go first exactly when nobody before it conflicts with it", () => {
  for (let seed = 0; seed < 80; seed++) {
    const prng = createPrng(seed, "line");
    const line = emptyLine();
    const present: { txId: string; access: LineAccess }[] = [];
    for (let i = 0; i < 40; i++) {
      const access = drawAccess(prng);
      standInLine(line, `t${i}`, access);
      present.push({ txId: `t${i}`, access });
      while (prng.chance(0.45)) leaveOne(line, present, prng);
      expectFirst(line, present);
    }
    while (present.length > 0) leaveOne(line, present, prng);
    // Nothing is left of those that have gone.
    expect(line).toEqual(emptyLine());
  }
});

/** One of those in front leaves; those it lets through are those that had to wait before. */
function leaveOne(
  line: ReturnType<typeof emptyLine>,
  present: { txId: string; access: LineAccess }[],
  prng: Prng,
): void {
  const before = firstOf(present);
  if (before.length === 0) return;
  const goes = prng.pick(before);
  const at = present.findIndex(({ txId }) => txId === goes);
  const [one] = present.splice(at, 1);
  const freed = leaveLine(line, goes, one?.access ?? { reads: [], writes: [] });
  const waited = firstOf(present).filter((txId) => !before.includes(txId));
  expect([...freed].sort()).toEqual(waited.sort());
}

function expectFirst(
  line: ReturnType<typeof emptyLine>,
  present: readonly { txId: string; access: LineAccess }[],
): void {
  const found = present.filter(({ txId }) => isFirstInLine(line, txId));
  expect(found.map(({ txId }) => txId)).toEqual(firstOf(present));
}

/** The naive reference: looks at every pair. */
function firstOf(present: readonly { txId: string; access: LineAccess }[]): string[] {
  return present
    .filter(
      ({ access }, i) => !present.slice(0, i).some((one) => areInConflict(one.access, access)),
    )
    .map(({ txId }) => txId);
}

function areInConflict(one: LineAccess, other: LineAccess): boolean {
  const touches = ({ reads, writes }: LineAccess, address: Address) =>
    reads.includes(address) || writes.includes(address);
  return (
    one.writes.some((address) => touches(other, address)) ||
    other.writes.some((address) => touches(one, address))
  );
}

function drawAccess(prng: Prng): LineAccess {
  const chosen = prng.shuffle([...ACCOUNTS]).slice(0, prng.nextInt(4));
  const writes = chosen.filter(() => prng.chance(0.5));
  return { reads: chosen.filter((address) => !writes.includes(address)), writes };
}
