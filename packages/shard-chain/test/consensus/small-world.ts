import { type CostTable, createPrng } from "@fmlab/sim";
import { COMMAND_CODEC, CommandApplication } from "../../src/adversary/command-application.ts";
import {
  ConsensusCodec,
  type ConsensusMessage,
  ConsensusNode,
  type ConsensusTiming,
  createConsensus,
  EvidenceApplication,
  EvidencePool,
  evidencePayloads,
  hostLink,
  VoteCheck,
} from "../../src/consensus/index.ts";
import { ELIDED, type SignatureScheme, type Signer } from "../../src/crypto/signatures.ts";
import {
  type Application,
  Committee,
  type Consensus,
  type ConsensusName,
  type Host,
  VirtualWorld,
} from "../../src/node/index.ts";

export const TIMING: ConsensusTiming = {
  proposeMs: 100,
  voteMs: 50,
  growthMs: 25,
  pauseMs: 5,
  resendMs: 400,
};

export interface SmallWorldSettings {
  readonly name: ConsensusName;
  readonly powers?: readonly number[];
  readonly scheme?: SignatureScheme;
  readonly jitter?: number;
  readonly costs?: CostTable;
  readonly commands?: number;
  readonly seed?: number;
  readonly timing?: ConsensusTiming;
  /** Hears how many blocks before a proposed one are not final where it is judged. */
  readonly onJudged?: (pending: number) => void;
  /** Blocks carry evidence of double votes. */
  readonly hasEvidence?: boolean;
}

/** Correct validators of one chain, 10 ms apart; nothing else. */
export class SmallWorld {
  readonly committee: Committee;
  readonly signers: readonly Signer[];
  readonly scheme: SignatureScheme;
  readonly world: VirtualWorld;
  readonly applications: CommandApplication[];
  readonly validators: Consensus<ConsensusMessage>[];
  readonly codec: ConsensusCodec;
  /** Every message that arrived. */
  readonly messages: ConsensusMessage[] = [];
  readonly commitTimesMs: number[] = [];
  /** What each validator has heard of final evidence: validator, vote's height, block's height. */
  readonly punished: [validator: number, votedAt: number, provenAt: number][][] = [];
  readonly #hasEvidence: boolean;
  readonly #onJudged: ((pending: number) => void) | undefined;
  readonly #timing: ConsensusTiming;

  constructor(settings: SmallWorldSettings) {
    this.#timing = settings.timing ?? TIMING;
    this.#hasEvidence = settings.hasEvidence ?? false;
    this.#onJudged = settings.onJudged;
    const { name, powers = [1, 1, 1, 1], scheme = ELIDED, jitter = 0, costs } = settings;
    const { commands = 8, seed = 1 } = settings;
    this.scheme = scheme;
    this.signers = powers.map((_, i) => scheme.createSigner(new Uint8Array(32).fill(i + 1)));
    this.committee = new Committee(
      "shard-0",
      this.signers.map(({ publicKey }, node) => ({ node, power: powers[node] ?? 1, publicKey })),
    );
    const payloads = this.#hasEvidence ? evidencePayloads(COMMAND_CODEC) : COMMAND_CODEC;
    this.codec = new ConsensusCodec(name, payloads);
    const network = { nodeRegions: powers.map(() => 0), rttMs: [[20]], jitter };
    this.world = new VirtualWorld(createPrng(seed), { network, costs }, (_to, _from, { body }) => {
      this.messages.push(body as ConsensusMessage);
    });
    const known = Array.from({ length: commands }, (_, i) => i + 1);
    this.applications = powers.map(() => new CommandApplication(known));
    this.validators = powers.map((_, i) => this.#createValidator(name, i));
  }

  run(untilMs: number): this {
    this.world.simulation.runUntil(untilMs);
    return this;
  }

  chain(i: number): string[] {
    return (this.applications[i] as CommandApplication).committed.map(({ block }) => block.id);
  }

  #createValidator(name: ConsensusName, i: number): Consensus<ConsensusMessage> {
    const host: Host = this.world.host(i);
    const application = this.applications[i] as CommandApplication;
    const plain: Application = {
      propose: (place) => application.propose(place),
      validate: (payload, place) => {
        this.#onJudged?.(place.pending.length);
        return application.validate(payload, place);
      },
      deliver: (committed) => {
        application.deliver(committed);
        if (i === 0) this.commitTimesMs.push(host.nowMs());
      },
    };
    const withEvidence = this.#hasEvidence ? this.#addEvidence(plain, i) : undefined;
    const consensus = createConsensus(name, {
      committee: this.committee,
      link: hostLink(host, this.committee, (message) => this.codec.sizeOf(message)),
      application: withEvidence ?? plain,
      ...(withEvidence && { observer: withEvidence.observer }),
      signer: this.signers[i] as Signer,
      scheme: this.scheme,
      timing: this.#timing,
    });
    this.world.place(i, new ConsensusNode(this.committee, consensus));
    return consensus;
  }

  #addEvidence(application: Application, i: number): EvidenceApplication {
    const punished: [number, number, number][] = [];
    this.punished[i] = punished;
    return new EvidenceApplication({
      application,
      pool: new EvidencePool(new VoteCheck(this.committee, this.scheme)),
      bytesMax: 2 ** 20,
      onEvidence: ({ first }, height) => punished.push([first.validator, first.height, height]),
    });
  }
}
