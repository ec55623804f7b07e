import { type CostTable, measureCost } from "@fmlab/sim";
import { createVrfKey, verifyVrf } from "./ecvrf.ts";
import { ED25519 } from "./signatures.ts";

/** A statement as long as that of a vote. */
const STATEMENT = `shard-0|precommit|123456|0|${"ab".repeat(32)}|-1|1234567.891|12`;

/**
 * Measures on this machine what consensus charges for: `sign`, `verify` (Ed25519, one vote) and
 * `vrf-prove`, `vrf-verify`. Run it once on a quiet machine and keep the table with the runs.
 *
 * @param clock a monotonic clock of the machine
 */
export function calibrateCrypto(clock: { nowMs(): number }, batchSize = 200): CostTable {
  const seed = new Uint8Array(32).fill(7);
  const signer = ED25519.createSigner(seed);
  const signature = signer.sign(STATEMENT);
  const key = createVrfKey(seed);
  const proof = key.prove(seed);
  const few = Math.max(1, Math.floor(batchSize / 100));
  return {
    sign: measureCost(() => signer.sign(STATEMENT), clock, { batchSize }),
    verify: measureCost(() => ED25519.verify(signer.publicKey, STATEMENT, signature), clock, {
      batchSize,
    }),
    "vrf-prove": measureCost(() => key.prove(seed), clock, { batchSize: few }),
    "vrf-verify": measureCost(() => verifyVrf(key.publicKey, seed, proof), clock, {
      batchSize: few,
    }),
  };
}
