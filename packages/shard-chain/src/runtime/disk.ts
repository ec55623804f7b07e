import { EvidencePool } from "../consensus/evidence-pool.ts";
import { MemoryCommitLog, type SafetyStore } from "../consensus/parts.ts";
import { VoteCheck } from "../consensus/vote-check.ts";
import type { SignatureScheme } from "../crypto/signatures.ts";
import type { CommittedBlock } from "../node/block.ts";
import type { Committee } from "../node/committee.ts";

/** Final blocks that a validator keeps for others that come late. */
const BLOCKS_KEPT = 24;

/** What a validator would have on its disk; here it outlives the node. */
export class Disk {
  readonly commits: KeptBlocks;
  readonly store: SafetyStore<unknown> = new MemoryStore();
  /** What follows from the stored blocks for evidence: what is known, and how old it is. */
  readonly evidence: { readonly pool: EvidencePool; readonly timesMs: number[] };

  /** @param keepsAll whether every block is kept, or only the newest */
  constructor(committee: Committee, scheme: SignatureScheme, keepsAll: boolean) {
    this.commits = new KeptBlocks(keepsAll ? Number.POSITIVE_INFINITY : BLOCKS_KEPT);
    const pool = new EvidencePool(new VoteCheck(committee, scheme));
    this.evidence = { pool, timesMs: [0] };
  }
}

/** Final blocks in memory. */
class KeptBlocks extends MemoryCommitLog {
  /** Those that are kept, the oldest first. */
  *kept(): Generator<CommittedBlock> {
    for (let height = 1; height <= this.lastHeight; height++) {
      const committed = this.get(height);
      if (committed !== undefined) yield committed;
    }
  }
}

class MemoryStore implements SafetyStore<unknown> {
  #state: unknown;

  load(): unknown {
    return this.#state;
  }

  save(state: unknown): void {
    this.#state = state;
  }
}
