import type { Address } from "../ledger/address.ts";
import { makeTransaction } from "../ledger/make-transaction.ts";
import type { Transaction, TransactionId } from "../ledger/transaction.ts";

/** A transaction that was seen in a block, and the one that was sent to overtake it. */
export interface FrontRun {
  readonly victim: TransactionId;
  readonly attack: TransactionId;
}

/** What a front-runner goes after, and with what. */
export interface FrontRunPlan {
  /** The shared account: whoever changes it first gains. */
  readonly target: Address;
  /** One for each attack, with money for the fee; on which shard they live is the attack. */
  readonly attackers: readonly Address[];
  /** Wei; above everybody else's, to be first in the mempool. */
  readonly fee: bigint;
}

/**
 * Faulty validators that tell each other what they see: as soon as one of them has a final block
 * with a transaction on the target that has not been executed there, it sends a transaction of its
 * own on the same target. From an account on the target's shard this is the front-running attack
 * within a shard, from one on a faster or nearer shard the attack across shards.
 *
 * @see Haechi (arXiv 2306.06299), abstract; EtherCS/protohaechi for both forms
 */
export class FrontRunner {
  readonly #plan: FrontRunPlan;
  readonly #ours: ReadonlySet<Address>;
  readonly #seen = new Set<TransactionId>();
  readonly #runs: FrontRun[] = [];

  constructor(plan: FrontRunPlan) {
    this.#plan = plan;
    this.#ours = new Set(plan.attackers);
  }

  /** Every attack so far. */
  get runs(): readonly FrontRun[] {
    return this.#runs;
  }

  /** What to send against a transaction in a final block; undefined where nothing is to gain. */
  against({ id, sender, steps }: Transaction): Transaction | undefined {
    const { target, attackers, fee } = this.#plan;
    const attacker = attackers[this.#runs.length];
    const isVictim = !this.#ours.has(sender) && steps.some(({ address }) => address === target);
    if (attacker === undefined || !isVictim || this.#seen.has(id)) return undefined;
    this.#seen.add(id);
    const attack = makeTransaction({
      kind: "standIn",
      sender: attacker,
      nonce: 0,
      fee,
      steps: [
        { op: "mix", address: attacker },
        { op: "mix", address: target },
      ],
      paddingBytes: 0,
    });
    this.#runs.push({ victim: id, attack: attack.id });
    return attack;
  }
}
