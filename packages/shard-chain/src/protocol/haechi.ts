import type { ChainId } from "./chain.ts";
import { homeOf } from "./chain.ts";
import type { ChainContext } from "./chain-context.ts";
import { type BeaconState, emptyBeacon, sendCallLists, takeCrossLink } from "./haechi-beacon.ts";
import type { HaechiMessage } from "./haechi-messages.ts";
import {
  emptyShard,
  processTransaction,
  type ShardState,
  sendCrossLink,
  takeBody,
  takeCallList,
  takeValues,
} from "./haechi-shard.ts";
import { type Protocol, type ProtocolSettings, protocolEntry } from "./protocol.ts";

// The paper's text was not at hand. From its abstract: an ordering phase between processing and
// execution, and finalisation fairness whatever the consensus speeds. From the authors' code
// (EtherCS/protohaechi): CrossLinks from shards to a beacon, CallLists back, calls within a shard
// on the same way, the lock-step variant. Ours: the bound of the order (`takeOrdered`), the height
// in the sort key, and how transactions with balances run over several shards (`planOf`).
const SOURCE =
  "Zhang et al. 2024, Haechi (NDSS), reconstructed from its abstract and EtherCS/protohaechi";

/** What Haechi keeps for a chain: the beacon one half, a shard the other. */
export interface HaechiState extends BeaconState, ShardState {}

/** What distinguishes the two. */
interface HaechiOptions extends Pick<Protocol, "name" | "title"> {
  /** A shard's next CrossLink waits for the CallList that answers the last one. */
  readonly isLockStep: boolean;
}

/**
 * Haechi: a transaction is processed in a block of its sender's shard, ordered by a beacon, and
 * executed only then, in the order in which all transactions of all shards were processed. Nobody
 * who sees it in a block can come before it any more, from whichever shard. Transactions within a
 * shard go the same way, or they could overtake. There are no locks: conflicting transactions wait
 * for each other in the global order, so none is ever aborted for another's sake.
 *
 * Four rounds of consensus: processing, beacon, CallList, and the second shard's part. A
 * transaction on one shard takes three.
 */
function createHaechi(
  { name, title, isLockStep }: HaechiOptions,
  settings: ProtocolSettings,
): Protocol<HaechiState> {
  return {
    name,
    title,
    source: SOURCE,
    isReconstruction: true,
    promises: new Set(["serialisability", "fairness"]),
    committees: [{ name: "beacon", validators: settings.committeeValidators }],
    entryOf: homeOf,
    ...(isLockStep && { takesTransactions: ({ linksFrom }) => Number.isFinite(linksFrom) }),
    createState: () => ({ ...emptyBeacon(), ...emptyShard() }),
    onTransaction: processTransaction,
    onCrossMessage: (chain, message, from) => takeMessage(chain, message as HaechiMessage, from),
    onCommit(chain) {
      if (chain.chain.isShard) sendCrossLink(chain, isLockStep);
      else sendCallLists(chain, isLockStep);
    },
  };
}

function takeMessage(
  chain: ChainContext<HaechiState>,
  message: HaechiMessage,
  from: ChainId,
): void {
  switch (message.kind) {
    case "crossLink":
      takeCrossLink(chain.state, message.data, from);
      for (const { txId } of message.data.entries) chain.record.waits(txId, "orderingWait");
      return;
    case "callList":
      takeCallList(chain, message.data);
      return;
    case "body":
      takeBody(chain, message.transaction);
      return;
    case "values": {
      const { transaction, txId = "", data } = message;
      const told = { from, values: data.values };
      takeValues(chain, transaction?.id ?? txId, told, transaction);
    }
  }
}

/** Haechi. */
export const HAECHI = protocolEntry("haechi", (settings) =>
  createHaechi(
    { name: "haechi", title: "Haechi, ordered by a beacon", isLockStep: false },
    settings,
  ),
);

/**
 * Haechi in lock-step with its beacon: the authors' strawman. While a shard waits for a CallList
 * its blocks take no transactions in, and the beacon waits for every shard's CrossLink. There,
 * what comes meanwhile is rejected; here it waits in the mempool.
 */
export const HAECHI_SYNC = protocolEntry("haechi-sync", (settings) =>
  createHaechi(
    { name: "haechi-sync", title: "Haechi in lock-step with its beacon", isLockStep: true },
    settings,
  ),
);
