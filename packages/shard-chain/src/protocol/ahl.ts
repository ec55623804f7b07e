import { createLinear } from "./linear.ts";
import { protocolEntry } from "./protocol.ts";

/**
 * AHL: a reference committee takes cross-shard transactions in, has the shards lock and execute
 * them, counts their votes and decides: two-phase commit with a coordinator that cannot fail. The
 * flow is that of the baseline in EtherCS/protohaechi (source shard, then destination): five
 * consensus rounds on the critical path, three of seven inclusions on the committee.
 *
 * @see Dang et al. 2019, Towards Scaling Blockchain Systems via Sharding (SIGMOD)
 */
export const AHL = protocolEntry("ahl", (settings) =>
  createLinear(
    {
      name: "ahl",
      title: "AHL, two-phase commit with a reference committee",
      source: "Dang et al. 2019 (SIGMOD); message flow as in EtherCS/protohaechi",
      isReconstruction: false,
      discipline: "write",
      committee: "reference",
    },
    settings,
  ),
);
