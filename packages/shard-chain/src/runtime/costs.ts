import type { CostTable } from "@fmlab/sim";

/**
 * What operations cost on one core, ms, where a run brings no table of its own. Signatures as
 * measured by the project (Node 20, AMD EPYC; `npm run bench -- consensus-speed` prints those of a
 * machine); the rest is rounded from `npm run bench -- ledger` on the same machine.
 */
export const DEFAULT_COSTS: CostTable = {
  /** One Ed25519 signature. */
  sign: 0.04,
  /** One Ed25519 verification: a vote, an attestation, a client's transaction. */
  verify: 0.129,
  /** Taking a client's transaction out of a block. */
  transaction: 0.004,
  /** Taking a message of another chain, or a note, out of a block. */
  message: 0.004,
  /** One step of a transaction on the ledger. */
  step: 0.003,
  /** One written key of the state tree, with its share of the hashes above it. */
  update: 0.02,
  /** Making or checking the proof of one key of a state. */
  proof: 0.03,
  /** Sorting one entry into an order. */
  order: 0.001,
  /** A verifiable random function, proved and checked. */
  "vrf-prove": 4,
  "vrf-verify": 6,
};
