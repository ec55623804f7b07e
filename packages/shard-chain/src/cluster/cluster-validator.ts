import path from "node:path";
import { FileSafetyStore } from "../consensus/file-safety-store.ts";
import { StateCodec } from "../consensus/state-codec.ts";
import { ED25519, type Signer } from "../crypto/signatures.ts";
import type { NodeId } from "../node/host.ts";
import { SocketHost, type SocketMachine } from "../node/socket-host.ts";
import type { BlockReport } from "./cluster-messages.ts";
import { ClusterNode } from "./cluster-node.ts";
import { addressesOf, type ClusterPlan, type ClusterSite } from "./cluster-site.ts";
import { DiskCommitLog } from "./disk-commit-log.ts";
import { CLUSTER_PAYLOADS, wireCodecs } from "./wire-codecs.ts";

/** File of a validator's final blocks. */
export function blockFileOf({ folder }: Pick<ClusterPlan, "folder">, node: NodeId): string {
  return path.join(folder, `node-${node}.blocks`);
}

/** A validator over sockets and a disk; on a folder that it has used before, see `ClusterNode`. */
export class ClusterValidator {
  readonly #host: SocketHost;
  readonly #log: DiskCommitLog;
  readonly #node: ClusterNode;

  /**
   * @param tell hears of each block that is executed from now on
   * @throws ShardChainError `CORRUPT_LOG` | `BAD_BYTES` for files that no crash leaves behind
   */
  constructor(
    plan: ClusterPlan,
    site: ClusterSite,
    node: NodeId,
    machine: SocketMachine,
    tell: (report: BlockReport) => void,
  ) {
    const { consensus } = site.settings;
    this.#host = new SocketHost({
      self: node,
      addresses: addressesOf(plan, site),
      signer: site.signers[node] as Signer,
      scheme: ED25519,
      codecs: wireCodecs(
        consensus,
        site.topology.chains.map(({ name }) => name),
      ),
      machine,
    });
    this.#log = new DiskCommitLog(blockFileOf(plan, node), CLUSTER_PAYLOADS);
    const votes = path.join(plan.folder, `node-${node}.votes`);
    const store = new FileSafetyStore(votes, new StateCodec(consensus, CLUSTER_PAYLOADS));
    this.#node = new ClusterNode({ site, node, host: this.#host, log: this.#log, store, tell });
  }

  /** Height of the last final block. */
  get height(): number {
    return this.#node.view.height;
  }

  /** State root after it, in hex. */
  get stateRoot(): string {
    return this.#node.view.ledger.rootHex;
  }

  /** Listens, and takes part. */
  async open(): Promise<void> {
    await this.#host.open(this.#node.shardNode);
  }

  /** Nothing goes to these nodes or comes from them, until the next call. */
  cutOff(nodes: ReadonlySet<NodeId>): void {
    this.#host.cutOff(nodes);
  }

  async close(): Promise<void> {
    await this.#host.close();
    this.#log.close();
  }
}
