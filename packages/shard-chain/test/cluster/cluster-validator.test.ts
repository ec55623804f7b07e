import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { freePorts } from "../../src/cluster/cluster.ts";
import type { BlockReport } from "../../src/cluster/cluster-messages.ts";
import {
  addressesOf,
  buildSite,
  type ClusterPlan,
  type ClusterSite,
} from "../../src/cluster/cluster-site.ts";
import { blockFileOf, ClusterValidator } from "../../src/cluster/cluster-validator.ts";
import { Endings } from "../../src/cluster/endings.ts";
import { createMachine, machineMs } from "../../src/cluster/machine.ts";
import { ValidatorHandle } from "../../src/cluster/validator-handle.ts";
import { wireCodecs } from "../../src/cluster/wire-codecs.ts";
import { consensusChannel, voteStatement } from "../../src/consensus/index.ts";
import { ED25519, type Signer } from "../../src/crypto/signatures.ts";
import { throughputConfig } from "../../src/definitions/throughput.ts";
import { SocketHost } from "../../src/node/socket-host.ts";
import { CLIENT_CHANNEL } from "../../src/runtime/shard-node.ts";

const folders: string[] = [];
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

async function planOf(shards: number, validators: number): Promise<ClusterPlan> {
  const folder = mkdtempSync(path.join(tmpdir(), "cluster-"));
  folders.push(folder);
  const config = throughputConfig.parse({
    protocol: "byshard-linear-write",
    shards,
    validators,
    transactions: 60,
    tps: 1_000,
    blockIntervalMs: 40,
  });
  const ports = await freePorts(shards * validators + 1);
  return { config, proposeMs: 300, seed: 3, datasetPath: "", folder, ports, zeroMs: machineMs() };
}

/** Validators of this process, each with its own sockets and files. */
class Room {
  readonly validators: ClusterValidator[] = [];
  readonly endings = new Endings();
  readonly roots = new Map<string, Set<string>>();
  /** Who is convicted, by whom. */
  readonly convictions = new Map<number, number[]>();
  #told: () => void = () => undefined;

  constructor(
    readonly plan: ClusterPlan,
    readonly site: ClusterSite,
  ) {}

  async open(node: number): Promise<void> {
    const tell = (report: BlockReport) => this.#learn(node, report);
    const machine = createMachine(this.plan.zeroMs);
    const validator = new ClusterValidator(this.plan, this.site, node, machine, tell);
    this.validators[node] = validator;
    closers.push(() => validator.close());
    await validator.open();
  }

  /** Waits until something holds; looked at whenever a validator has executed a block. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve) => {
        this.#told = resolve;
      });
    }
  }

  heights(nodes: readonly number[]): number[] {
    return nodes.map((node) => this.validators[node]?.height ?? 0);
  }

  async handIn(): Promise<number> {
    const { clientNode, directory, settings, signers, topology } = this.site;
    const client = new SocketHost({
      self: clientNode,
      addresses: addressesOf(this.plan, this.site),
      signer: signers[clientNode] as Signer,
      scheme: ED25519,
      codecs: wireCodecs("tendermint", ["shard-0", "shard-1"]),
      machine: createMachine(this.plan.zeroMs),
    });
    closers.push(() => client.close());
    await client.open({ start: () => undefined, onMessage: () => undefined });
    const transactions = [...settings.workload.transactions()];
    for (const transaction of transactions) {
      const chain = settings.protocol.entryOf(transaction, topology);
      const body = { transactions: [transaction] };
      for (const node of directory.nodesOf(chain)) {
        client.send(node, { channel: CLIENT_CHANNEL, sizeBytes: 0, body });
      }
    }
    return transactions.length;
  }

  #learn(node: number, report: BlockReport): void {
    const chain = this.site.directory.seatOf(node)?.chain ?? -1;
    this.endings.add(chain, report);
    if (report.convicted.length > 0) {
      const before = this.convictions.get(node) ?? [];
      this.convictions.set(node, [...before, ...report.convicted]);
    }
    const key = `${chain}/${report.height}`;
    this.roots.set(key, (this.roots.get(key) ?? new Set()).add(report.stateRoot));
    this.#told();
  }
}

/** A validator of another process with the key of a validator here, that votes for two blocks. */
async function voteTwice(plan: ClusterPlan, site: ClusterSite, node: number, height: number) {
  const signer = site.signers[node] as Signer;
  const host = new SocketHost({
    self: node,
    addresses: addressesOf(plan, site),
    signer,
    scheme: ED25519,
    codecs: wireCodecs("tendermint", ["shard-0", "shard-1"]),
    machine: createMachine(plan.zeroMs),
  });
  closers.push(() => host.close());
  for (const blockId of ["aa", "bb"].map((pair) => pair.repeat(32))) {
    const fields = { kind: "prevote" as const, height, round: 0, blockId, justifyRound: -1 };
    const whole = { ...fields, timestampMs: 5, validator: node };
    const vote = { ...whole, signature: signer.sign(voteStatement("shard-0", whole)) };
    const message = { channel: consensusChannel("shard-0"), sizeBytes: 0 };
    host.send(0, { ...message, body: { type: "vote", vote } });
  }
}

describe("validators on sockets and disks", () => {
  it("put a double vote that one of them has heard into a block, and all convict by it", async () => {
    const plan = await planOf(1, 4);
    const room = new Room(plan, await buildSite(plan));
    await Promise.all([0, 1, 2].map((node) => room.open(node)));
    await room.until(() => Math.min(...room.heights([0, 1, 2])) > 1);
    await voteTwice(plan, room.site, 3, (room.heights([0])[0] ?? 0) + 2);
    await room.until(() => [0, 1, 2].every((node) => room.convictions.has(node)));
    for (const node of [0, 1, 2]) expect(room.convictions.get(node)).toEqual([3]);
  });

  it("commit transactions across shards, lose nothing when restarted, and heal", async () => {
    const plan = await planOf(2, 4);
    const room = new Room(plan, await buildSite(plan));
    const all = [0, 1, 2, 3, 4, 5, 6, 7];
    await Promise.all(all.map((node) => room.open(node)));
    const count = await room.handIn();
    await room.until(() => room.endings.count > count / 3);
    // One of each shard stops; the others go on; back on its files it catches up.
    await Promise.all([room.validators[1]?.close(), room.validators[6]?.close()]);
    const [stoppedAt] = room.heights([1]);
    await room.until(() => (room.heights([0])[0] ?? 0) > (stoppedAt ?? 0) + 8);
    await Promise.all([room.open(1), room.open(6)]);
    expect(room.heights([1])[0]).toBeGreaterThanOrEqual(stoppedAt ?? 0);
    const highest = Math.max(...room.heights(all));
    await room.until(() => Math.min(...room.heights(all)) >= highest);
    // One of each shard hears nothing and is not heard; the others go on; then it heals.
    const [alone, others] = [
      [3, 7],
      [0, 1, 2, 4, 5, 6],
    ];
    for (const node of alone) room.validators[node]?.cutOff(new Set(others));
    for (const node of others) room.validators[node]?.cutOff(new Set(alone));
    const before = room.heights(alone);
    await room.until(() => (room.heights([0])[0] ?? 0) > (before[0] ?? 0) + 4);
    expect(room.heights([3])[0]).toBeLessThan(room.heights([0])[0] ?? 0);
    for (const node of all) room.validators[node]?.cutOff(new Set());
    await room.until(() => room.endings.count === count);
    const last = Math.max(...room.heights(all)) + 2;
    await room.until(() => Math.min(...room.heights(all)) >= last);
    for (const [block, roots] of room.roots) expect([...roots], block).toHaveLength(1);
  });

  it("survive `kill -9` and a torn block: what was reported is still there", async () => {
    const plan = await planOf(1, 1);
    const reported: BlockReport[] = [];
    let told: () => void = () => undefined;
    const validator = new ValidatorHandle(plan, 0, (_, report) => {
      reported.push(report);
      told();
    });
    closers.push(() => validator.kill());
    await validator.start();
    while (reported.length < 5) {
      await new Promise<void>((resolve) => {
        told = resolve;
      });
    }
    await validator.kill();
    expect(validator.pid).toBeUndefined();
    expect(validator.failure).toBeUndefined();
    const kept = reported.at(-1);
    const file = blockFileOf(plan, 0);
    // A crash in the midst of a write: half a record after the last whole one.
    appendFileSync(file, "FMBL");
    const opening = await validator.start();
    expect(opening.height).toBeGreaterThanOrEqual(kept?.height ?? 0);
    if (opening.height === kept?.height) expect(opening.stateRoot).toBe(kept.stateRoot);
    await validator.kill();
    // Damage before the end is no crash: the validator refuses to go on.
    const bytes = readFileSync(file);
    bytes.writeUInt8(bytes.readUInt8(60) ^ 1, 60);
    writeFileSync(file, bytes);
    await expect(validator.start()).rejects.toThrow(/validator 0 failed: .* is damaged at byte 0/);
    expect(validator.failure?.code).toBe("VALIDATOR_FAILED");
  });
});
