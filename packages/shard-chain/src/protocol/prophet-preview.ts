import type { Address } from "../ledger/address.ts";
import {
  type Carry,
  closePurse,
  EMPTY_CARRY,
  type ExecutionContext,
  runSteps,
} from "../ledger/execution.ts";
import type { Hop } from "../ledger/hops.ts";
import type { FailureReason } from "../ledger/receipt.ts";
import { accountIn, type StateView } from "../ledger/state.ts";
import type { StateKey, StateValue } from "../ledger/state-value.ts";
import type { Transaction } from "../ledger/transaction.ts";
import { type CarryData, carryData, carryOf } from "./carry-data.ts";
import type { Claim, Proof, ValueClaim } from "./prophet-data.ts";

/** A view with writes of its own on top, to be kept or dropped. */
export class Scratch implements StateView {
  readonly written = new Map<StateKey, StateValue | undefined>();
  readonly below: Pick<StateView, "get">;

  constructor(below: Pick<StateView, "get">) {
    this.below = below;
  }

  get(key: StateKey): StateValue | undefined {
    return this.written.has(key) ? this.written.get(key) : this.below.get(key);
  }

  set(key: StateKey, value: StateValue | undefined): void {
    this.written.set(key, value);
  }
}

/** Contracts hand on what they were given: their storage does not leave their shard. */
const NO_CONTRACTS: ExecutionContext = { contracts: { call: () => undefined } };

/** What pre-executing a transaction shows. */
export type Preview = Pick<Claim, "carries" | "failsAt" | "reads" | "writes">;

/**
 * Pre-executes a transaction on predicted values; what it writes goes to the view.
 *
 * @param isBase whether the view has an account as a snapshot has it, with nothing predicted on top
 */
export function preExecute(
  transaction: Transaction,
  hops: readonly Hop[],
  view: StateView,
  isBase: (address: Address) => boolean,
): Preview {
  const scratch = new Scratch(view);
  const carries: CarryData[] = [];
  const reads = readsOf(transaction, hops, view, isBase);
  let carry = EMPTY_CARRY;
  for (const [at, hop] of hops.entries()) {
    const ran = runSteps(scratch, transaction, hop, carry, NO_CONTRACTS);
    const outcome = at === hops.length - 1 ? closePurse(ran) : ran;
    if (!outcome.ok) return { carries, failsAt: at, reads, writes: [] };
    carry = outcome.carry;
    if (at < hops.length - 1) carries.push(carryData(carry));
  }
  const writes = writesOf(scratch);
  for (const [key, value] of scratch.written) view.set(key, value);
  return { carries, failsAt: -1, reads, writes };
}

/** Values that what is handed on depends on: those of the steps before the last run. */
function readsOf(
  { steps }: Transaction,
  hops: readonly Hop[],
  view: Pick<StateView, "get">,
  isBase: (address: Address) => boolean,
): ValueClaim[] {
  const last = hops.at(-1)?.from ?? 0;
  const reads = new Map<string, ValueClaim>();
  for (const { op, address } of steps.slice(0, last)) {
    const { word, balance } = accountIn(view, address);
    const base = isBase(address);
    if (op === "observe" || op === "mix") reads.set(`w${address}`, [`w${address}`, word, base]);
    if (op === "observe" || op === "check" || op === "sweep") {
      reads.set(`b${address}`, [`b${address}`, balance, base]);
    }
  }
  return [...reads.values()];
}

function writesOf(scratch: Scratch): ValueClaim[] {
  const writes: ValueClaim[] = [];
  for (const key of scratch.written.keys()) {
    if (!key.startsWith("a")) continue;
    const address = key.slice(1) as Address;
    const before = accountIn(scratch.below, address);
    const after = accountIn(scratch, address);
    if (after.word !== before.word) writes.push([`w${address}`, after.word, false]);
    if (after.balance !== before.balance) writes.push([`b${address}`, after.balance, false]);
  }
  return writes;
}

/** What running a shard's own part of a claim shows. */
export type Verified =
  /** As predicted; the writes stay in the scratch. */
  | { readonly isRight: true }
  | { readonly isRight: false; readonly reason: FailureReason; readonly proof: Proof };

/** What a verification is about. */
export interface Verification {
  readonly transaction: Transaction;
  readonly hops: readonly Hop[];
  readonly shard: number;
  readonly claim: Claim;
  readonly execution?: ExecutionContext;
  /** Whether an account has not changed since the snapshot that the coalition names. */
  isUnchanged(address: Address): boolean;
}

/**
 * Post-verification: runs a shard's own steps on what the claim says comes in, and compares what
 * goes out. Nothing may be used of the scratch when it is not right, or predicted to fail.
 */
export function verifyClaim(scratch: Scratch, about: Verification): Verified {
  const { transaction, hops, shard, claim, execution = NO_CONTRACTS } = about;
  const { carries, failsAt } = claim;
  const due = failsAt < 0 ? hops.length - 1 : failsAt;
  if (carries.length !== due || failsAt >= hops.length) return stale("result");
  for (const [at, hop] of hops.entries()) {
    if (hop.shard !== shard || (failsAt >= 0 && at > failsAt)) continue;
    const carryIn = at === 0 ? EMPTY_CARRY : carryOf(carries[at - 1] as CarryData);
    const ran = runSteps(scratch, transaction, hop, carryIn, execution);
    const outcome = at === hops.length - 1 ? closePurse(ran) : ran;
    if (!outcome.ok) return { isRight: false, reason: outcome.reason, proof: "" };
    if (at === failsAt) return stale("");
    const predicted = carries[at];
    if (predicted !== undefined && !isEqual(outcome.carry, carryOf(predicted))) {
      return stale(proofOf(scratch, about));
    }
  }
  return { isRight: true };
}

/** What convicts the coalition, now that a carry is known to be wrong. */
function proofOf({ below }: Scratch, about: Verification): Proof {
  const { transaction, hops, shard, claim, isUnchanged } = about;
  const own = new Set(hops.filter((hop) => hop.shard === shard).flatMap(stepsOf(transaction)));
  const claimed = new Map(claim.reads.map((read) => [read[0], read]));
  const actual = readsOf(transaction, hops, below, () => true);
  let areReadsRight = true;
  for (const [key, value] of actual) {
    const address = key.slice(1) as Address;
    if (!own.has(address)) continue;
    const read = claimed.get(key);
    if (read === undefined) return "result";
    if (read[1] === value) continue;
    areReadsRight = false;
    if (key.startsWith("w") && read[2] && isUnchanged(address)) return "snapshot";
  }
  return areReadsRight ? "result" : "";
}

const stepsOf =
  ({ steps }: Transaction) =>
  ({ from, to }: Hop): Address[] =>
    steps.slice(from, to).map(({ address }) => address);

function stale(proof: Proof): Verified {
  return { isRight: false, reason: "staleRead", proof };
}

function isEqual(one: Carry, other: Carry): boolean {
  return one.purse === other.purse && one.word === other.word && one.seen === other.seen;
}
