import { withoutEvidence } from "../consensus/evidence-application.ts";
import { VoteCheck } from "../consensus/vote-check.ts";
import { ED25519 } from "../crypto/signatures.ts";
import type { LedgerState } from "../ledger/state.ts";
import type { RunSummary } from "../measurement/run-meter.ts";
import type { Block, CommittedBlock } from "../node/block.ts";
import type { NodeId } from "../node/host.ts";
import { checkAtomicity } from "../oracles/atomicity.ts";
import { checkConservation, totalBalance } from "../oracles/conservation.ts";
import { checkFairness } from "../oracles/fairness.ts";
import { checkReplay } from "../oracles/replay.ts";
import { checkSerialisability } from "../oracles/serialisability.ts";
import { Findings, type Verdict } from "../oracles/verdict.ts";
import type { ChainId } from "../protocol/chain.ts";
import type { Batch } from "../runtime/batch.ts";
import { contentOf } from "../runtime/block-content.ts";
import { genesisAccounts } from "../runtime/deployment.ts";
import { mergeVerdicts } from "../runtime/merge-verdicts.ts";
import { Replica } from "../runtime/replica.ts";
import { RunRecorder } from "../runtime/run-recorder.ts";
import type { Cluster } from "./cluster.ts";
import { blockFileOf } from "./cluster-validator.ts";
import { DiskCommitLog } from "./disk-commit-log.ts";
import { CLUSTER_PAYLOADS } from "./wire-codecs.ts";

/** What a cluster did, found out from the blocks that its validators left on disk. */
export interface ClusterJudgement {
  readonly recorder: RunRecorder;
  readonly summary: RunSummary;
  readonly verdicts: readonly Verdict[];
  /** State root of each chain after its last stored block, hex. */
  readonly stateRoots: readonly string[];
  readonly heights: readonly number[];
}

/** A chain's blocks and when the first validator had executed each. */
interface StoredBlock {
  readonly chain: ChainId;
  readonly committed: CommittedBlock;
  readonly proposedMs: number;
  readonly executedMs: number;
}

/**
 * Executes all final blocks once more, in the order of time, with every oracle on: the same as in
 * virtual time. Also compares what each validator has said of each block, and checks every proof.
 * Call it when the cluster has stopped.
 *
 * @param isStalled whether it was stopped because nothing ended any more: what has not ended then
 *        is stuck. What was still going on is only unfinished, as in virtual time
 */
export function judgeCluster(
  cluster: Cluster,
  window: { fromMs: number; toMs: number },
  { replay, isStalled }: { replay: boolean; isStalled: boolean },
): ClusterJudgement {
  const { site } = cluster;
  const { settings, topology, genesis } = site;
  const recorder = new RunRecorder(topology.segmented, replay);
  const findings = new Findings();
  const replicas = topology.chains.map((chain, id) => {
    const { protocol, limits } = settings;
    const first = genesis[id] as LedgerState;
    return new Replica({ protocol, chain, topology, genesis: first, execution: {}, limits });
  });
  const blocks = topology.chains
    .flatMap(({ id }) => storedBlocks(cluster, id, findings))
    .sort((one, other) => one.executedMs - other.executedMs || one.chain - other.chain);
  const batches = new Map<string, Batch>();
  const waiting = [...cluster.arrivals].sort((one, other) => one.intendedMs - other.intendedMs);
  let next = 0;
  for (const { chain, committed, proposedMs, executedMs } of blocks) {
    for (let arrival = waiting[next]; arrival && arrival.intendedMs <= executedMs; ) {
      recorder.arrive(arrival.transaction, arrival.intendedMs, arrival.isCrossShard);
      arrival = waiting[++next];
    }
    const block = withSentBatches(withoutEvidence(committed.block), batches);
    recorder.beginBlock(chain, { proposedMs, committedMs: executedMs });
    const executed = (replicas[chain] as Replica).execute(block, recorder);
    for (const batch of executed.outbox.batches) batches.set(batch.digest, batch);
    recorder.endBlock(executed.outbox, executedMs);
    compareReports(cluster, chain, executed.height, executed.ledger.rootHex, findings);
  }
  for (const { transaction, intendedMs, isCrossShard } of waiting.slice(next)) {
    recorder.arrive(transaction, intendedMs, isCrossShard);
  }
  // Clients give up what waits behind a transaction that no shard will ever admit.
  recorder.giveUpGapped(cluster.nowMs());
  recorder.close();
  const ledgers = replicas.map(({ ledger }) => ledger);
  return {
    recorder,
    summary: recorder.meter.summarise({ ...window, knownMs: cluster.nowMs() }),
    verdicts: verdictsOf(cluster, recorder, ledgers, findings, { replay, isStalled }),
    stateRoots: ledgers.map(({ rootHex }) => rootHex),
    heights: topology.chains.map(({ id }) => blocks.filter(({ chain }) => chain === id).length),
  };
}

function verdictsOf(
  cluster: Cluster,
  recorder: RunRecorder,
  ledgers: readonly LedgerState[],
  agreement: Findings,
  { replay, isStalled }: { replay: boolean; isStalled: boolean },
): Verdict[] {
  const { settings, genesis } = cluster.site;
  const { history } = recorder;
  const isDrained = recorder.inFlightCount === 0;
  const now = ledgers.reduce((sum, ledger) => sum + totalBalance(ledger), 0n);
  const before = genesis.reduce((sum, ledger) => sum + totalBalance(ledger), 0n);
  const isReplayed = replay && isDrained && settings.protocol.promises.has("serialisability");
  return [
    agreement.verdict("agreement", { validators: cluster.reports.size }),
    judgeLiveness(recorder, isStalled),
    checkConservation(history, { genesis: before, now }),
    mergeVerdicts("atomicity", [checkAtomicity(history, { isDrained }), recorder.decisions()]),
    checkSerialisability(history),
    checkFairness(history),
    ...(isReplayed
      ? [
          checkReplay(history, {
            genesis: genesisAccounts(settings),
            transactions: recorder.transactions,
            feesPaid: recorder.feesPaid,
            ledgers,
            execution: {},
          }),
        ]
      : []),
  ];
}

/**
 * Liveness as in virtual time: broken when something is in flight and nothing ends any more. What
 * was cut short while it still went on is unfinished, not stuck.
 */
export function judgeLiveness(
  recorder: Pick<RunRecorder, "inFlightCount" | "inFlight">,
  isStalled: boolean,
): Verdict {
  const findings = new Findings();
  const { inFlightCount } = recorder;
  if (inFlightCount > 0 && isStalled) {
    findings.add(`${inFlightCount} transactions are in flight and none ends any more`, [
      ...recorder.inFlight(),
    ]);
  }
  return findings.verdict("liveness", { inFlightCount });
}

/** The longest of the logs of a chain's validators; each of its blocks must be proven. */
function storedBlocks(cluster: Cluster, chain: ChainId, findings: Findings): StoredBlock[] {
  const { directory, topology } = cluster.site;
  const check = new VoteCheck(directory.committeeOf(chain), ED25519);
  const logs = directory
    .nodesOf(chain)
    .map((node) => new DiskCommitLog(blockFileOf(cluster.plan, node), CLUSTER_PAYLOADS));
  const longest = logs.reduce((one, other) => (other.lastHeight > one.lastHeight ? other : one));
  const stored: StoredBlock[] = [];
  let lastMs = 0;
  for (const committed of longest.blocks()) {
    const { height } = committed.block.header;
    if (check.finalBlockId(committed.proof) !== committed.block.id) {
      findings.add(
        `${topology.chains[chain]?.name}, block ${height}: its proof proves nothing`,
        [],
      );
    }
    const times = timesOf(cluster, directory.nodesOf(chain), height, lastMs);
    lastMs = times.executedMs;
    stored.push({ chain, committed, ...times });
  }
  for (const log of logs) log.close();
  return stored;
}

/** When a block was proposed and first executed; a block nobody has reported: as its parent. */
function timesOf(cluster: Cluster, nodes: readonly NodeId[], height: number, parentMs: number) {
  const reports = nodes.flatMap((node) => cluster.reports.get(node)?.get(height) ?? []);
  const executed = reports.map(({ executedMs }) => executedMs);
  const executedMs = Math.max(parentMs, executed.length > 0 ? Math.min(...executed) : parentMs);
  const proposed = reports.flatMap(({ proposedMs }) => proposedMs ?? []);
  return { executedMs, proposedMs: Math.min(executedMs, ...proposed) };
}

/** What the validators of a chain have said of a block must be what executing it gives. */
function compareReports(
  cluster: Cluster,
  chain: ChainId,
  height: number,
  stateRoot: string,
  findings: Findings,
): void {
  const { directory, topology } = cluster.site;
  const name = topology.chains[chain]?.name;
  for (const node of directory.nodesOf(chain)) {
    const report = cluster.reports.get(node)?.get(height);
    if (report === undefined || report.stateRoot === stateRoot) continue;
    findings.add(
      `${name}, block ${height}: validator ${node} has reached state ${report.stateRoot}; ` +
        `executing the stored blocks gives ${stateRoot}`,
      [],
    );
  }
}

/** The block with the batches as they were sent, so that the way of their messages is known. */
function withSentBatches(block: Block, sent: ReadonlyMap<string, Batch>): Block {
  const content = contentOf(block);
  if (content.inbox.length === 0) return block;
  const inbox = content.inbox.map((certified) => ({
    ...certified,
    batch: sent.get(certified.batch.digest) ?? certified.batch,
  }));
  return { ...block, payload: { ...block.payload, content: { ...content, inbox } } };
}
