import { FaultyNode } from "../adversary/faulty-node.ts";
import type { Strategy } from "../adversary/scenario.ts";
import { createStaleConsensus } from "../adversary/stale-proposers.ts";
import { type ConsensusMessage, createConsensus, hostLink } from "../consensus/consensus-node.ts";
import { EvidenceApplication, evidencePayloads } from "../consensus/evidence-application.ts";
import { ConsensusCodec } from "../consensus/message-codec.ts";
import type { Signer } from "../crypto/signatures.ts";
import type { CommittedBlock, Payload } from "../node/block.ts";
import type { Consensus } from "../node/consensus.ts";
import { forwardingHost } from "../node/forwarding-host.ts";
import type { Host, HostedNode, NodeId } from "../node/host.ts";
import type { ChainId } from "../protocol/chain.ts";
import { ChainView } from "./chain-view.ts";
import type { Seat } from "./directory.ts";
import { Disk } from "./disk.ts";
import { deviating } from "./faulty-application.ts";
import { frontRun } from "./front-run.ts";
import { SHARD_PAYLOADS } from "./payload-codec.ts";
import type { ChainRoom, ProcessRoom } from "./process-room.ts";
import type { ExecutedBlock } from "./replica.ts";
import type { ShardApplication } from "./shard-application.ts";
import { ShardNode } from "./shard-node.ts";
import type { DeploymentSettings } from "./world-settings.ts";

/** What one life of a validator is made of; of a faulty one, one life of one copy. */
interface Life {
  readonly seat: Seat;
  readonly host: Host;
  readonly disk: Disk;
  /** Undefined for a correct validator. */
  readonly faulty: { readonly copy: number; readonly strategies: readonly Strategy[] } | undefined;
}

/** Puts the validators of a deployment on their hosts: correct ones, and such as are not. */
export class Validators {
  readonly #room: ProcessRoom;
  /** When each payload was proposed; for measurement only. */
  readonly #proposedMs = new WeakMap<Payload, number>();
  readonly #codec: ConsensusCodec;
  readonly #lastBlockMs: number[] = [];
  /** Of the correct validators. */
  readonly #disks: { readonly chain: ChainId; readonly disk: Disk }[] = [];

  constructor(room: ProcessRoom) {
    this.#room = room;
    const { consensus } = room.settings;
    this.#codec = new ConsensusCodec(consensus, evidencePayloads(SHARD_PAYLOADS));
    for (const { info } of room.chains) {
      for (let index = 0; index < info.validators; index++) this.#place({ chain: info.id, index });
    }
  }

  /** When a chain's newest block was first executed, ms; 0 before the first. */
  lastBlockMs(chain: ChainId): number {
    return this.#lastBlockMs[chain] ?? 0;
  }

  /** Final blocks that some correct validator of a chain still holds. */
  finalBlocks(chain: ChainId): CommittedBlock[] {
    const own = this.#disks.filter((one) => one.chain === chain);
    return own.flatMap(({ disk }) => [...disk.commits.kept()]);
  }

  #place(seat: Seat): void {
    const { settings, world } = this.#room;
    const { chain, index } = seat;
    const node = this.#nodeOf(seat);
    const faulty = settings.adversary?.faulty?.find(
      (one) => one.chain === chain && one.validator === index,
    );
    if (faulty !== undefined) {
      world.place(node, this.#createFaulty(seat, faulty.strategies));
      return;
    }
    const disk = this.#createDisk(chain);
    this.#disks.push({ chain, disk });
    const host = this.#heardHost(seat);
    const startMs = settings.startsMs?.[chain] ?? 0;
    const place = () => {
      const placed = this.#nodeAt({ seat, host, disk, faulty: undefined });
      world.place(node, startingAt(startMs - world.simulation.nowMs(), placed, host));
    };
    place();
    for (const crash of settings.crashes) {
      if (crash.chain !== chain || crash.validator !== index) continue;
      world.simulation.scheduleAt(crash.atMs, () => world.crash(node));
      if (crash.backMs !== undefined) world.simulation.scheduleAt(crash.backMs, place);
    }
  }

  #createFaulty(seat: Seat, strategies: readonly Strategy[]): FaultyNode {
    const { settings, directory, world, signers } = this.#room;
    const { chain, index: validator } = seat;
    const node = this.#nodeOf(seat);
    const committee = directory.committeeOf(chain);
    const partners = (settings.adversary?.faulty ?? []).filter(
      (one) => one.chain === chain && one.strategies.some(({ kind }) => kind === "equivocate"),
    );
    const disks = new Map<number, Disk>();
    return new FaultyNode({
      host: world.host(node),
      committee,
      strategies,
      voter: { chainId: committee.chainId, validator, signer: signers[node] as Signer },
      equivocators: new Set(partners.map((one) => one.validator)),
      createCopy: (copy, host, blocksBack = 0) => {
        const disk = this.#createDisk(chain, disks.get(copy), blocksBack);
        disks.set(copy, disk);
        return this.#nodeAt({ seat, host, disk, faulty: { copy, strategies } });
      },
    });
  }

  #nodeAt(life: Life): ShardNode {
    const { settings, directory, topology, recorder, scheme, signers } = this.#room;
    const { seat, host, faulty } = life;
    const { pool, execution } = this.#chainRoom(seat);
    const view = this.#viewFor(seat.chain);
    const { adversary } = settings;
    const isLast = seat.index === directory.committeeOf(seat.chain).size - 1;
    let isFirst = false;
    return new ShardNode({
      host,
      seat,
      directory,
      topology,
      protocol: settings.protocol,
      signer: signers[this.#nodeOf(seat)] as Signer,
      scheme,
      view,
      pool,
      limits: settings.limits,
      timing: settings.crossTiming,
      ...(adversary !== undefined && isLast && { holdBatchesMs: adversary.carrierDelayMs }),
      createConsensus: (application) => this.#createConsensus(life, view, application),
      execute: ({ block }) => {
        const committedMs = host.nowMs();
        const proposedMs = this.#proposedMs.get(block.payload) ?? committedMs;
        const done = execution.execute(block, seat.index, { proposedMs, committedMs });
        isFirst = done.isFirst;
        return done.executed;
      },
      stateOf: () => execution.stateOf(seat.index),
      onExecuted: ({ block }, executed) => {
        // Only the first copy of a faulty validator talks to clients' pools.
        if (isLast && (faulty?.copy ?? 0) === 0) frontRun(this.#room, host, block);
        if (isFirst) this.#endBlock(seat.chain, executed, host.nowMs());
      },
      onProposed: (payload) => this.#proposedMs.set(payload, host.nowMs()),
      onCertified: (batch) => recorder.certified(batch, host.nowMs()),
      onArrived: (batch) => recorder.arrived(batch, host.nowMs()),
      onRepeated: (repeated) => {
        for (const txId of repeated) recorder.tellRepeated(txId, seat.chain);
      },
      onDropped: (dropped) => {
        for (const { id } of dropped) recorder.giveUp(id, "noRoom", host.nowMs());
      },
    });
  }

  #createConsensus(
    { seat, host, disk, faulty }: Life,
    view: ChainView,
    own: ShardApplication,
  ): Consensus<ConsensusMessage> {
    const { settings, directory, scheme, signers, witness } = this.#room;
    const { chain } = seat;
    const committee = directory.committeeOf(chain);
    const application = new EvidenceApplication({
      application: faulty === undefined ? own : deviating(own, faulty, view),
      ...disk.evidence,
      onEvidence: (evidence, height) => {
        if (faulty === undefined) witness.convict(chain, height, evidence);
      },
    });
    // A view of its own knows nothing of what an earlier life has stored.
    if (this.#mayFork(chain)) for (const one of disk.commits.kept()) application.deliver(one);
    const { observer } = application;
    const isStale = faulty?.strategies.some(({ kind }) => kind === "stale-proposal") ?? false;
    const create = isStale ? createStaleConsensus : createConsensus;
    return create(settings.consensus, {
      committee,
      link: hostLink(host, committee, (message) => this.#codec.sizeOf(message)),
      application,
      observer: {
        ...observer,
        ...(faulty === undefined && { onVote: (vote) => witness.hearVote(chain, vote) }),
      },
      signer: signers[this.#nodeOf(seat)] as Signer,
      scheme,
      timing: this.#timingOf(chain),
      commits: disk.commits,
      store: disk.store,
    });
  }

  /** What a correct validator says is evidence too, also where it reaches faulty ones only. */
  #heardHost(seat: Seat): Host {
    const { world, witness, directory } = this.#room;
    const host = world.host(this.#nodeOf(seat));
    if (!witness.keepsStatements) return host;
    const channel = `consensus/${directory.nameOf(seat.chain)}`;
    return forwardingHost(host, (to, message) => {
      if (message.channel === channel) witness.hear(seat.chain, message.body as ConsensusMessage);
      host.send(to, message);
    });
  }

  /** Where a chain may fork, no two of its validators believe each other what is final. */
  #viewFor(chain: ChainId): ChainView {
    const { topology, chains } = this.#room;
    const { view, genesis } = chains[chain] as ChainRoom;
    return this.#mayFork(chain) ? new ChainView(topology.chains.length, genesis) : view;
  }

  #mayFork(chain: ChainId): boolean {
    const { settings, directory } = this.#room;
    const faulty = settings.adversary?.faulty?.filter((one) => one.chain === chain) ?? [];
    const committee = directory.committeeOf(chain);
    const power = committee.powerOfAll(faulty.map(({ validator }) => validator));
    return power >= committee.minorityPower;
  }

  /** @param before the disk of an earlier life, without its last `blocksBack` blocks */
  #createDisk(chain: ChainId, before?: Disk, blocksBack = 0): Disk {
    const { directory, scheme } = this.#room;
    const disk = new Disk(directory.committeeOf(chain), scheme, this.#mayFork(chain));
    const last = (before?.commits.lastHeight ?? 0) - blocksBack;
    for (const committed of before?.commits.kept() ?? []) {
      if (committed.block.header.height <= last) disk.commits.append(committed);
    }
    return disk;
  }

  #endBlock(chain: ChainId, { outbox }: ExecutedBlock, nowMs: number): void {
    this.#lastBlockMs[chain] = nowMs;
    this.#room.recorder.endBlock(outbox, nowMs);
  }

  #timingOf(chain: ChainId): DeploymentSettings["timing"] {
    const { timing, pauseFactors } = this.#room.settings;
    return { ...timing, pauseMs: timing.pauseMs * (pauseFactors?.[chain] ?? 1) };
  }

  #chainRoom({ chain }: Seat): ChainRoom {
    return this.#room.chains[chain] as ChainRoom;
  }

  #nodeOf({ chain, index }: Seat): NodeId {
    return this.#room.directory.committeeOf(chain).validators[index]?.node as NodeId;
  }
}

/** Hears everything at once, but takes part only after a while. */
function startingAt(waitMs: number, node: HostedNode, host: Host): HostedNode {
  if (waitMs <= 0) return node;
  return {
    start: () => void host.setTimer(waitMs, () => node.start()),
    onMessage: (from, message) => node.onMessage(from, message),
  };
}
