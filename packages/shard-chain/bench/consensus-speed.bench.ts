/**
 * What operations of consensus cost on this machine, and how many blocks a second each consensus
 * makes in virtual time on one core, by size of the committee and by signatures.
 *
 * `npm run bench -- consensus-speed [--json] [--blocks 300]`
 */
import { parseArgs } from "node:util";
import { BLS, calibrateCrypto, ED25519, ELIDED } from "../src/crypto/index.ts";
import { CONSENSUS_NAMES } from "../src/node/consensus.ts";
import { SmallWorld } from "../test/consensus/small-world.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    blocks: { type: "string", default: "300" },
  },
});
const costs = calibrateCrypto({ nowMs: () => performance.now() });
const results = CONSENSUS_NAMES.flatMap((name) =>
  [4, 16].flatMap((validators) =>
    [ELIDED, ED25519, BLS].map((scheme) => {
      const powers = Array.from({ length: validators }, () => 1);
      const world = new SmallWorld({ name, powers, scheme, jitter: 0.1, costs });
      const startMs = performance.now();
      while (world.chain(0).length < Number(values.blocks)) {
        world.run(world.world.simulation.nowMs() + 100);
      }
      const seconds = (performance.now() - startMs) / 1_000;
      const blocks = world.chain(0).length;
      const events = world.world.simulation.eventsRun;
      return {
        name,
        validators,
        signatures: scheme.name,
        blocksPerSecond: Math.round(blocks / seconds),
        eventsPerSecond: Math.round(events / seconds),
      };
    }),
  ),
);
if (values.json) console.log(JSON.stringify({ name: "consensus-speed", costs, results }));
else {
  console.table(costs);
  console.table(results);
}
