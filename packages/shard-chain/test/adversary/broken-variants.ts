import type { ScenarioOptions } from "../../src/adversary/run-scenario.ts";
import {
  type ConsensusMessage,
  type ConsensusParts,
  createConsensus,
  HotStuff,
  type HotStuffMessage,
  Pbft,
  type PbftMessage,
  Tendermint,
  type TendermintMessage,
} from "../../src/consensus/index.ts";
import type { Consensus, ConsensusName } from "../../src/node/index.ts";

/** Prevotes what it is offered, whatever it is locked on. */
class ForgetfulTendermint extends Tendermint {
  protected override mayPrevote(): boolean {
    return true;
  }
}

/** Votes for what it is offered, whatever it is locked on. */
class ForgetfulHotStuff extends HotStuff {
  protected override mayVote(): boolean {
    return true;
  }
}

/** Accepts in a new view what it is offered, whatever the view changes say is prepared. */
class ForgetfulPbft extends Pbft {
  protected override preparedAmong(): undefined {
    return undefined;
  }
}

/** Every correct validator runs a consensus without its lock rule. */
export const WITHOUT_LOCKS: ScenarioOptions = {
  create(name, parts) {
    const make = {
      tendermint: () => new ForgetfulTendermint(parts as ConsensusParts<TendermintMessage>),
      hotstuff: () => new ForgetfulHotStuff(parts as ConsensusParts<HotStuffMessage>),
      pbft: () => new ForgetfulPbft(parts as ConsensusParts<PbftMessage>),
    };
    return make[name]() as Consensus<ConsensusMessage>;
  },
};

/** Every correct validator takes two thirds for a quorum, where more than two thirds are needed. */
export const WITH_SMALL_QUORUM: ScenarioOptions = {
  create: (name: ConsensusName, parts) => createConsensus(name, parts),
  adjust(committee) {
    const quorumPower = Math.ceil((2 * committee.totalPower) / 3) - 1;
    Object.defineProperty(committee, "quorumPower", { value: quorumPower });
    return committee;
  },
};
