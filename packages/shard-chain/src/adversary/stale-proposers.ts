import type { ConsensusMessage } from "../consensus/consensus-node.ts";
import { HotStuff, type ProposalBasis, VIEWS_TO_COMMIT } from "../consensus/hotstuff.ts";
import type { HotStuffMessage } from "../consensus/hotstuff-messages.ts";
import type { ConsensusParts } from "../consensus/parts.ts";
import { Pbft } from "../consensus/pbft.ts";
import type { PbftMessage, PbftViewChange, PreparedBlock } from "../consensus/pbft-messages.ts";
import { Tendermint } from "../consensus/tendermint.ts";
import type { PolkaMessage, TendermintMessage } from "../consensus/tendermint-messages.ts";
import type { Certificate } from "../node/block.ts";
import type { Consensus, ConsensusName } from "../node/consensus.ts";

/** Proposes a new block though it knows one that two thirds have prevoted. */
export class StaleTendermint extends Tendermint {
  protected override validForProposal(): PolkaMessage | undefined {
    return undefined;
  }
}

/**
 * Hides the highest certificate it knows and builds below it: on a final block in one of its terms,
 * on the one before in the next.
 */
export class StaleHotStuff extends HotStuff {
  protected override basis(): ProposalBasis | undefined {
    const basis = super.basis();
    const [pending] = basis?.pending ?? [];
    // The last final block here need not be final elsewhere, so it tries the one before as well.
    const [before, last] = this.chain.answer(this.chain.height - 2)?.blocks ?? [];
    const term = Math.ceil(this.view / VIEWS_TO_COMMIT);
    const isSecond = Math.ceil(term / this.parts.committee.size) % 2 === 0;
    if (isSecond && before !== undefined && last !== undefined) {
      // Only in the last view of its term: there others have given up the view before, which allows
      // the block, and the next leader gets its votes.
      if (this.view % VIEWS_TO_COMMIT !== 0) return undefined;
      const { id, header } = before.block;
      const { height, timestampMs } = header;
      return { parent: { id, height, timestampMs }, highest: last.block.justify, pending: [] };
    }
    if (pending === undefined) return basis;
    return { parent: this.chain.tip, highest: pending.justify, pending: [] };
  }

  protected override highestForTimeout(): Certificate | undefined {
    const [last] = this.chain.answer(this.chain.height - 1)?.blocks ?? [];
    return last?.block.justify;
  }
}

/** Takes part in view changes without telling what it has prepared, and proposes what it likes. */
export class StalePbft extends Pbft {
  protected override preparedForViewChange(): PreparedBlock | undefined {
    return undefined;
  }

  protected override preparedAmong(_: readonly PbftViewChange[]): PreparedBlock | undefined {
    return undefined;
  }
}

/** A validator of the named consensus that leaves out what it must build on when it proposes. */
export function createStaleConsensus(
  name: ConsensusName,
  parts: ConsensusParts<ConsensusMessage>,
): Consensus<ConsensusMessage> {
  const make = {
    tendermint: () => new StaleTendermint(parts as ConsensusParts<TendermintMessage>),
    hotstuff: () => new StaleHotStuff(parts as ConsensusParts<HotStuffMessage>),
    pbft: () => new StalePbft(parts as ConsensusParts<PbftMessage>),
  };
  return make[name]() as Consensus<ConsensusMessage>;
}
