import { createPrng } from "@fmlab/sim";
import {
  type ConsensusMessage,
  ConsensusNode,
  consensusChannel,
  createConsensus,
  hostLink,
} from "../consensus/consensus-node.ts";
import { ConsensusCodec } from "../consensus/message-codec.ts";
import {
  type ConsensusParts,
  type ConsensusTiming,
  MemoryCommitLog,
  type SafetyStore,
} from "../consensus/parts.ts";
import { ELIDED, type SignatureScheme, type Signer } from "../crypto/signatures.ts";
import type { CommittedBlock, Vote } from "../node/block.ts";
import { Committee } from "../node/committee.ts";
import type { Consensus, ConsensusName } from "../node/consensus.ts";
import { forwardingHost } from "../node/forwarding-host.ts";
import type { Host, HostedNode } from "../node/host.ts";
import { VirtualWorld } from "../node/virtual-world.ts";
import { COMMAND_CODEC, CommandApplication } from "./command-application.ts";
import { FaultyNode, typeOf } from "./faulty-node.ts";
import { findViolations, isLive, type Violation } from "./safety-oracles.ts";
import { correctValidators, type MessageHold, payloadFault, type Scenario } from "./scenario.ts";
import { createStaleConsensus } from "./stale-proposers.ts";

/** Short time-outs against a round trip of 10 ms: many rounds fail before the network settles. */
const TIMING: ConsensusTiming = {
  proposeMs: 80,
  voteMs: 40,
  growthMs: 20,
  pauseMs: 5,
  resendMs: 150,
};
const ROUND_TRIP_MS = 10;
/** Exponential time-outs that grew before the network settled need long. */
const LIVE_WITHIN_MS = 300_000;
const CHECK_EVERY_MS = 250;
/** Events after which a run counts as not live. */
const EVENTS_MAX = 400_000;

/** What may replace the real thing, to show that the search finds what is broken. */
export interface ScenarioOptions {
  readonly scheme?: SignatureScheme;
  readonly create?: (
    name: ConsensusName,
    parts: ConsensusParts<ConsensusMessage>,
  ) => Consensus<ConsensusMessage>;
  /** Changes the committee that validators believe in, e.g. its quorum. */
  readonly adjust?: (committee: Committee) => Committee;
  /** How long after settling a run may take to become live, ms; default 300,000. */
  readonly liveWithinMs?: number;
  /** Sees every state that a correct validator writes down. */
  readonly onSave?: (state: unknown) => void;
  /** Keep what correct validators have received, for accountability. */
  readonly record?: boolean;
}

/** What a scenario led to. */
export interface ScenarioOutcome {
  readonly violations: readonly Violation[];
  /** Height of each correct validator at the end. */
  readonly heights: readonly number[];
  readonly endMs: number;
  readonly events: number;
  readonly traceHash: string;
  readonly committee: Committee;
  readonly scheme: SignatureScheme;
  /** Messages that correct validators sent or received and votes they counted; when recorded. */
  readonly messages: ReadonlySet<ConsensusMessage>;
  readonly votes: readonly Vote[];
  /** Final blocks of all correct validators, one chain after another. */
  readonly committed: readonly CommittedBlock[];
}

/** Runs a scenario until it is live after settling, or a violation is found. */
export function runScenario(scenario: Scenario, options: ScenarioOptions = {}): ScenarioOutcome {
  const run = new ScenarioRun(scenario, options);
  return run.complete();
}

class ScenarioRun {
  readonly #scenario: Scenario;
  readonly #options: ScenarioOptions;
  readonly #scheme: SignatureScheme;
  readonly #signers: readonly Signer[];
  readonly #committee: Committee;
  readonly #world: VirtualWorld;
  readonly #applications = new Map<number, CommandApplication>();
  readonly #commands: readonly number[];
  readonly #messages = new Set<ConsensusMessage>();
  readonly #votes: Vote[] = [];
  /** Bring a correct validator back with what it had written down. */
  readonly #returns = new Map<number, () => void>();

  constructor(scenario: Scenario, options: ScenarioOptions) {
    this.#scenario = scenario;
    this.#options = options;
    this.#scheme = options.scheme ?? ELIDED;
    this.#commands = Array.from({ length: scenario.commands }, (_, i) => i + 1);
    this.#signers = scenario.powers.map((_, i) =>
      this.#scheme.createSigner(new Uint8Array(32).fill(i + 1)),
    );
    const validators = scenario.powers.map((power, node) => ({
      node,
      power,
      publicKey: (this.#signers[node] as Signer).publicKey,
    }));
    const committee = new Committee("chain", validators);
    this.#committee = options.adjust?.(committee) ?? committee;
    this.#world = this.#buildWorld();
  }

  complete(): ScenarioOutcome {
    const { settledMs } = this.#scenario;
    const untilMs = settledMs + (this.#options.liveWithinMs ?? LIVE_WITHIN_MS);
    const { simulation, trace } = this.#world;
    const correct = correctValidators(this.#scenario);
    const applications = () => correct.map((i) => this.#applicationOf(i));
    simulation.runUntil(settledMs);
    const heightsThen = applications().map(({ committed }) => committed.length);
    let violations = findViolations(this.#commands, applications());
    while (
      violations.length === 0 &&
      !isLive(this.#commands, applications(), heightsThen) &&
      simulation.nowMs() < untilMs &&
      simulation.eventsRun < EVENTS_MAX
    ) {
      simulation.runUntil(simulation.nowMs() + CHECK_EVERY_MS);
      violations = findViolations(this.#commands, applications());
    }
    if (violations.length === 0 && !isLive(this.#commands, applications(), heightsThen)) {
      violations = [{ kind: "liveness", heights: applications().map((a) => a.committed.length) }];
    }
    for (const { committed } of applications()) {
      for (const { block } of committed) trace.addString(block.id);
    }
    return {
      violations,
      heights: applications().map(({ committed }) => committed.length),
      endMs: simulation.nowMs(),
      events: simulation.eventsRun,
      traceHash: trace.digest(),
      committee: this.#committee,
      scheme: this.#scheme,
      messages: this.#messages,
      votes: this.#votes,
      committed: applications().flatMap(({ committed }) => committed),
    };
  }

  #buildWorld(): VirtualWorld {
    const { faulty, faults, jitter, powers, restarts, seed } = this.#scenario;
    const correct = new Set(correctValidators(this.#scenario));
    const network = { nodeRegions: powers.map(() => 0), rttMs: [[ROUND_TRIP_MS]], jitter, faults };
    const channel = consensusChannel(this.#committee.chainId);
    const world = new VirtualWorld(createPrng(seed, "world"), { network }, (to, _, message) => {
      const isWanted = this.#options.record && correct.has(to) && message.channel === channel;
      if (isWanted) this.#messages.add(message.body as ConsensusMessage);
    });
    for (const validator of correct) this.#placeCorrect(world, validator);
    for (const one of faulty) world.place(one.validator, this.#createFaulty(world, one.validator));
    for (const { validator, atMs, downMs } of restarts) {
      if (!correct.has(validator)) continue;
      world.simulation.scheduleAt(atMs, () => world.crash(validator));
      world.simulation.scheduleAt(atMs + downMs, () => this.#returns.get(validator)?.());
    }
    return world;
  }

  #placeCorrect(world: VirtualWorld, validator: number): void {
    const application = new CommandApplication(this.#commands);
    this.#applications.set(validator, application);
    const commits = new MemoryCommitLog();
    let kept: unknown;
    const store: SafetyStore<unknown> = {
      load: () => kept,
      save: (state) => {
        kept = state;
        this.#options.onSave?.(state);
      },
    };
    const place = () => {
      const parts = this.#partsOf(validator, this.#recordingHost(world, validator), application);
      const onVote = (vote: Vote) => {
        if (this.#options.record) this.#votes.push(vote);
      };
      world.place(validator, this.#createNode({ ...parts, commits, store, observer: { onVote } }));
    };
    this.#returns.set(validator, place);
    place();
  }

  /** Nobody else may get what a correct validator says; its own copy is evidence too. */
  #recordingHost(world: VirtualWorld, validator: number): Host {
    const host = world.host(validator);
    if (!this.#options.record) return host;
    return forwardingHost(host, (to, message) => {
      this.#messages.add(message.body as ConsensusMessage);
      host.send(to, message);
    });
  }

  #createFaulty(world: VirtualWorld, validator: number): HostedNode {
    const { faulty } = this.#scenario;
    const strategies = faulty.find((one) => one.validator === validator)?.strategies ?? [];
    const equivocators = faulty.filter(({ strategies: theirs }) =>
      theirs.some(({ kind }) => kind === "equivocate"),
    );
    const logs = new Map<number, MemoryCommitLog>();
    return new FaultyNode({
      host: world.host(validator),
      committee: this.#committee,
      strategies,
      voter: {
        chainId: this.#committee.chainId,
        validator,
        signer: this.#signers[validator] as Signer,
      },
      equivocators: new Set(equivocators.map((one) => one.validator)),
      createCopy: (copy, host, blocksBack = 0) => {
        const application = new CommandApplication(this.#commands, payloadFault(strategies), copy);
        const commits = new MemoryCommitLog();
        const before = logs.get(copy);
        for (let height = 1; before && height <= before.lastHeight - blocksBack; height++) {
          const block = before.get(height);
          if (block === undefined) break;
          commits.append(block);
          application.deliver(block);
        }
        logs.set(copy, commits);
        const parts = { ...this.#partsOf(validator, host, application), commits };
        const isStale = strategies.some(({ kind }) => kind === "stale-proposal");
        return isStale ? this.#createStale(parts) : this.#createNode(parts);
      },
    });
  }

  #partsOf(
    validator: number,
    host: Host,
    application: CommandApplication,
  ): ConsensusParts<ConsensusMessage> {
    const codec = new ConsensusCodec(this.#scenario.consensus, COMMAND_CODEC);
    const sizeOf = (message: ConsensusMessage) => codec.sizeOf(message);
    return {
      committee: this.#committee,
      link: hostLink(holdingHost(host, this.#scenario.holds), this.#committee, sizeOf),
      application,
      signer: this.#signers[validator] as Signer,
      scheme: this.#scheme,
      timing: TIMING,
    };
  }

  #createNode(parts: ConsensusParts<ConsensusMessage>): ConsensusNode {
    const create = this.#options.create ?? createConsensus;
    return new ConsensusNode(this.#committee, create(this.#scenario.consensus, parts));
  }

  #createStale(parts: ConsensusParts<ConsensusMessage>): ConsensusNode {
    const consensus = createStaleConsensus(this.#scenario.consensus, parts);
    return new ConsensusNode(this.#committee, consensus);
  }

  #applicationOf(validator: number): CommandApplication {
    return this.#applications.get(validator) as CommandApplication;
  }
}

/** Sends held messages at the end of their window. Node ids are indices here. */
function holdingHost(host: Host, holds: readonly MessageHold[]): Host {
  const holdUntilMs = (to: number, message: ConsensusMessage) => {
    const type = typeOf(message);
    const nowMs = host.nowMs();
    const held = holds.filter(
      ({ types, from, to: receivers, startMs, endMs }) =>
        startMs <= nowMs &&
        nowMs < endMs &&
        types.includes(type) &&
        from.includes(host.self) &&
        receivers.includes(to),
    );
    return Math.max(nowMs, ...held.map(({ endMs }) => endMs));
  };
  return forwardingHost(host, (to, message) => {
    const delayMs = holdUntilMs(to, message.body as ConsensusMessage) - host.nowMs();
    if (delayMs === 0) host.send(to, message);
    else host.setTimer(delayMs, () => host.send(to, message));
  });
}
