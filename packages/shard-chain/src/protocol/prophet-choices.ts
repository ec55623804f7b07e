/**
 * Prophet as built here is a *reconstruction*. Of the paper (Hong et al. 2023, INFOCOM,
 * arXiv:2304.08595) only the abstract was available: coalitions of nodes of different shards
 * pre-execute, a global order comes from stateless ordering and post-verification, shards execute
 * in that order without conflicts, all within the shards' consensus. What the abstract leaves open
 * was chosen, and is written down here, each choice with its reason; nowhere else.
 *
 * 1. *A sequence committee beside the shards.* One chain that holds no accounts orders
 *    cross-shard transactions. Ordering by one of the shards would slow that one down.
 * 2. *The sender's shard takes a transaction in first* (nonce, fee), tells the other shards its
 *    body and the sequence its id, shards and accounts. So nonces keep their order, nobody can
 *    make shards work for what is not paid for, and the sequence never waits for a body. Costs a
 *    round of consensus. Accounts are named by the transactions themselves, as with access lists
 *    of EIP-2930, so a coalition need not be believed about *which* accounts, only about values.
 * 3. *A coalition is led by a validator of the sender's shard*, with a member of every other shard
 *    that its batch touches. Members hand over their accounts with Merkle proofs against a named
 *    height and root, and sign the result after they have run their own part of it. A member that
 *    does not answer is replaced. Conflicts are mostly on the sender's side, so one leader sees
 *    them all and can chain its predictions. What has failed
 *    `HOME_ATTEMPTS` times collides with what others lead: from then on the lowest of its shards
 *    leads it, and shards do so in turn, so that predictions do not spoil each other for ever.
 * 4. *What is predicted and verified is what goes from shard to shard*: the carry between two runs
 *    of steps (money, words). An account whose value stays on its shard is read there when its
 *    turn comes, not predicted, and so cannot be stale. Comparing whole read sets would abort
 *    transactions whose outcome is right.
 * 5. *The order* within a block of the sequence: batches by hash, each leader's in the order of
 *    their numbers, and a transaction whose predicted reads do not follow from the newest predicted
 *    writes is put after those that it follows from, or returned to be pre-executed again; so is
 *    one that has read what was taken back since.
 * 6. *Shards execute tentatively*, in that order and at once, on predicted carries, and tell each
 *    other and the sequence in one message a round what of theirs did not come out as predicted.
 *    Money leaves accounts tentatively, and arrives finally. A round is final when every shard has
 *    told. So no lock is ever held, and a hot account takes as many transactions as a block holds.
 * 7. *After a failed verification* the sequence names the transaction and all later ones that
 *    share an account with it; shards take those back, and they are pre-executed again
 *    (re-execution), up to `ATTEMPTS_MAX` times (then: abort, `staleRead`).
 * 8. *Transactions within one shard* run in their block when none of their accounts is in flight;
 *    else they are ordered like the others, by a coalition of one. Else a hot account's own shard
 *    would make every prediction about it stale.
 * 9. *Blame*: a result that contradicts the reads it claims, on the shard whose steps it is about,
 *    or a read that contradicts an account that has not changed since the named height, convicts
 *    the leader and the member of that shard: both have signed, and both could know better.
 *    Anything else may be bad luck, and convicts nobody. Convicts are named, not shut out: whether
 *    they lose a stake is for a layer above.
 * 10. *A coalition that lies* (`lyingCoalitionShare`) is drawn by its leader and number; all its
 *    members collude. It invents money and words, invents what a snapshot holds, or reads an old
 *    one, in turn.
 */

/**
 * Times that a verification may refuse a prediction of a transaction. Chosen: with a third of the
 * coalitions lying, fewer than one in ten thousand transactions meets nothing but lies.
 */
export const ATTEMPTS_MAX = 10;

/** Times that the sender's shard leads. Chosen: once may be bad luck. */
export const HOME_ATTEMPTS = 2;

/**
 * How long a shard leads, in turn with the others, what has failed `HOME_ATTEMPTS` times, ms of
 * agreed time. Chosen: a block or two, in which one batch is begun.
 */
export const SLOT_MS = 2_000;

/**
 * Times that a transaction's prediction may come too late, or fall with another's, before it counts
 * as stale. Chosen: as many coalitions as shards may want the same account, and one wins each time.
 */
export const RETURNS_MAX = 40;

/**
 * How long a validator leads its shard's coalitions, ms of agreed time. One at a time, as only the
 * leader knows what it has predicted. Chosen: many blocks, as a change of leader may cost a try.
 */
export const TERM_MS = 20_000;

/**
 * How long a leader may take until that of the present term tries, ms of agreed time. Chosen:
 * several times what ordering takes: a leader is replaced when it is down, not when it is slow.
 */
export const PATIENCE_MS = 10_000;

/** How long a leader waits for a member before it asks the next one, ms. Chosen: a few rounds. */
export const REPLY_MS = 2_000;

/** Times that a leader calls for a signature. Chosen: then it is the next leader's turn. */
export const CALLS_MAX = 5;

/**
 * Rounds that may be under verification at once. Chosen: slow shards get larger rounds, not more
 * of them; a verification takes about three.
 */
export const ROUNDS_MAX = 8;

/**
 * Rounds for which predicted values are remembered after they are final. Chosen: snapshots are not
 * older when they come to be ordered.
 */
export const ROUNDS_KEPT = 16;

/** Transactions of a round at most. Chosen: as many as large blocks of the shards hold. */
export const ROUND_ENTRIES_MAX = 4_000;

/**
 * Transactions in one note or message, which must fit into the smallest block, 0.1 MiB. A claim
 * takes about 320 bytes.
 */
export const PIECE_MAX = 200;

/** Claims kept about transactions of which the sequence has not heard from their home. */
export const EARLY_MAX = 100_000;

/** Accounts of a member's answers that it remembers until it is asked to sign. */
export const SERVED_MAX = 256;
