import type { Address } from "../ledger/address.ts";
import { digestFromHex } from "../ledger/hash.ts";
import { hopsOf } from "../ledger/hops.ts";
import { accountIn, type StateView } from "../ledger/state.ts";
import { verifyKey } from "../ledger/state-proof.ts";
import { accountKey, EMPTY_ACCOUNT } from "../ledger/state-value.ts";
import type { Transaction } from "../ledger/transaction.ts";
import type { NodeId } from "../node/host.ts";
import type { NodeContext } from "./node-duty.ts";
import { noteId } from "./note.ts";
import { SERVED_MAX } from "./prophet-choices.ts";
import { type BatchData, type Claim, parseBatch, RESULT } from "./prophet-data.ts";
import {
  type Answer,
  type Ask,
  answerMessage,
  proofIn,
  signMessage,
} from "./prophet-duty-messages.ts";
import { lieOf } from "./prophet-lies.ts";
import { Scratch, verifyClaim } from "./prophet-preview.ts";
import type { ShardState } from "./prophet-shard-state.ts";
import { tentativeView } from "./prophet-tentative.ts";

/** An account without its nonce. */
interface Funds {
  readonly balance: bigint;
  readonly word: bigint;
}

/** A validator as a member of coalitions that others lead. */
export class CoalitionMember {
  readonly #node: NodeContext;
  readonly #settings: { readonly lyingCoalitionShare: number; readonly seed: number };
  /** What was shown to whom, the oldest first. */
  readonly #served = new Map<string, ReadonlyMap<Address, Funds>>();

  constructor(node: NodeContext, settings: { lyingCoalitionShare: number; seed: number }) {
    this.#node = node;
    this.#settings = settings;
  }

  /** Shows accounts of its shard: as its newest state proves them, and what is tentative on top. */
  onAsk(leader: NodeId, { number, addresses }: Ask): void {
    if (!this.#node.chain.isShard) return;
    const { height, ledger, state } = this.#node.executed();
    this.#node.charge("proof", addresses.length);
    const view = tentativeView(ledger, state as ShardState);
    const served = new Map<Address, Funds>();
    const pending: Answer["pending"] = [];
    const proofs = (addresses as Address[]).map((address) => {
      const { balance, word } = accountIn(view, address);
      const proven = ledger.account(address);
      served.set(address, { balance, word });
      pending.push([balance - proven.balance, word === proven.word ? null : word]);
      return ledger.prove(accountKey(address));
    });
    this.#served.set(`${leader}/${number}`, served);
    for (const oldest of this.#served.keys()) {
      if (this.#served.size <= SERVED_MAX) break;
      this.#served.delete(oldest);
    }
    const { lastRound: round, lastUndone: undone } = state as ShardState;
    const answer = { number, height, round, undone, root: ledger.rootHex, pending };
    this.#node.send(leader, answerMessage(answer, proofs));
  }

  /** Signs a result after it has run its own part of it. */
  onCheck(leader: NodeId, data: unknown, transactions: readonly Transaction[]): void {
    const batch = parseBatch(data);
    if (batch === undefined || batch.leader !== leader) return;
    const isColluding = lieOf(this.#settings, leader, batch.number) !== undefined;
    if (!isColluding && !this.#isRight(batch, transactions)) return;
    const id = noteId({ kind: RESULT, transactions: [], data: batch });
    this.#node.send(leader, signMessage(batch.number, this.#node.sign(id)));
  }

  #isRight(batch: BatchData, transactions: readonly Transaction[]): boolean {
    const { chain, topology } = this.#node;
    const served = this.#served.get(`${batch.leader}/${batch.number}`);
    if (served === undefined) return false;
    const claims = new Map(batch.claims.map((claim) => [claim.id, claim]));
    return transactions.every((transaction) => {
      const claim = claims.get(transaction.id);
      if (claim === undefined || !areReadsServed(claim, served)) return false;
      this.#node.charge("step", transaction.steps.length);
      const verified = verifyClaim(new Scratch(asClaimed(claim, served)), {
        transaction,
        hops: hopsOf(transaction, topology.placement),
        shard: chain.id,
        claim,
        isUnchanged: () => false,
      });
      // What fails for lack of money may find it in a prediction that was not shown here.
      return verified.isRight || verified.reason !== "staleRead" || verified.proof === "";
    });
  }
}

/**
 * The accounts that an answer proves, with what it says is tentative; undefined when one of its
 * proofs is not genuine.
 */
export function provenAccounts(
  addresses: readonly Address[],
  { root, proofs, pending }: Answer,
): Map<Address, Funds> | undefined {
  const digest = digestFromHex(root);
  const accounts = new Map<Address, Funds>();
  for (const [i, address] of addresses.entries()) {
    const proof = proofIn(proofs[i]);
    const over = pending[i];
    if (digest === undefined || proof === undefined || over === undefined) return undefined;
    const proven = verifyKey(digest, accountKey(address), proof);
    if (proven === undefined) return undefined;
    const account = proven.found && proven.value.kind === "account" ? proven.value : EMPTY_ACCOUNT;
    const balance = account.balance + over[0];
    accounts.set(address, { balance, word: over[1] ?? account.word });
  }
  return accounts;
}

/** Whether what a claim says it read in the snapshot is what was shown. */
function areReadsServed({ reads }: Claim, served: ReadonlyMap<Address, Funds>): boolean {
  return reads.every(([key, value, isBase]) => {
    const shown = served.get(key.slice(1) as Address);
    if (shown === undefined || !isBase) return true;
    return value === (key.startsWith("w") ? shown.word : shown.balance);
  });
}

/** The accounts that were shown, with the values that the claim says it has read. */
function asClaimed({ reads }: Claim, served: ReadonlyMap<Address, Funds>): Pick<StateView, "get"> {
  const accounts = new Map(served);
  for (const [key, value] of reads) {
    const address = key.slice(1) as Address;
    const before = accounts.get(address);
    if (before === undefined) continue;
    accounts.set(
      address,
      key.startsWith("w") ? { ...before, word: value } : { ...before, balance: value },
    );
  }
  return {
    get(key) {
      const funds = accounts.get(key.slice(1) as Address);
      return funds === undefined ? undefined : { kind: "account", nonce: 0, ...funds };
    },
  };
}
