import { type AccountabilityReport, findCulprits } from "../adversary/accountability.ts";
import { StatementCollector } from "../adversary/statements.ts";
import type { ConsensusMessage } from "../consensus/consensus-node.ts";
import type { DoubleVoteEvidence } from "../consensus/evidence-pool.ts";
import { VoteCheck } from "../consensus/vote-check.ts";
import type { SignatureScheme } from "../crypto/signatures.ts";
import type { Vote } from "../node/block.ts";
import type { ConsensusName } from "../node/consensus.ts";
import type { ChainId } from "../protocol/chain.ts";
import type { Directory } from "./directory.ts";

/** A validator that evidence in a final block convicts. */
export interface Conviction {
  readonly chain: ChainId;
  /** Index in the chain's committee. */
  readonly validator: number;
  /** Height of the block that holds the evidence. */
  readonly height: number;
  readonly evidence: DoubleVoteEvidence;
}

/** What a run's validators have signed and others can show. */
export class Witness {
  readonly convictions: Conviction[] = [];
  readonly #known = new Set<string>();
  readonly #directory: Directory;
  readonly #scheme: SignatureScheme;
  /** By chain; empty unless statements are kept. */
  readonly #statements: readonly StatementCollector[];

  /** @param keepsStatements whether everything signed is kept, so that forks can be explained */
  constructor(directory: Directory, scheme: SignatureScheme, keepsStatements: boolean) {
    this.#directory = directory;
    this.#scheme = scheme;
    const chains = keepsStatements ? directory.chains : [];
    this.#statements = chains.map(({ id }) => new StatementCollector(this.#checkOf(id)));
  }

  get keepsStatements(): boolean {
    return this.#statements.length > 0;
  }

  /** A block that a correct validator holds for final has evidence in it; each counts once. */
  convict(chain: ChainId, height: number, evidence: DoubleVoteEvidence): void {
    const { validator, kind, round, height: votedHeight } = evidence.first;
    const key = [chain, validator, kind, votedHeight, round].join("/");
    if (this.#known.has(key)) return;
    this.#known.add(key);
    this.convictions.push({ chain, validator, height, evidence });
  }

  /** A correct validator has sent or received a message of its consensus. */
  hear(chain: ChainId, message: ConsensusMessage): void {
    this.#statements[chain]?.addMessage(message);
  }

  /** A correct validator has counted a vote. */
  hearVote(chain: ChainId, vote: Vote): void {
    this.#statements[chain]?.addVote(vote);
  }

  /** Who has broken the rules on a chain; where statements were not kept, nobody is named. */
  report(consensus: ConsensusName, chain: ChainId): AccountabilityReport {
    const committee = this.#directory.committeeOf(chain);
    const statements = this.#statements[chain] ?? new StatementCollector(this.#checkOf(chain));
    return findCulprits(consensus, committee, statements);
  }

  #checkOf(chain: ChainId): VoteCheck {
    return new VoteCheck(this.#directory.committeeOf(chain), this.#scheme);
  }
}
