import type { LockDiscipline } from "../ledger/locks.ts";
import { createLinear } from "./linear.ts";
import { type ProtocolEntry, protocolEntry } from "./protocol.ts";
import { createVoting } from "./voting.ts";

// ByShard names three ways to orchestrate a transaction over its shards and several ways to lock.
// The paper's text was not at hand: these are reconstructions from its abstract, second-hand
// accounts and the linear flow in EtherCS/protohaechi.
const SOURCE =
  "Hellings and Sadoghi 2021, ByShard (VLDB), reconstructed; linear flow as in EtherCS/protohaechi";

const DISCIPLINES = [
  ["write", "write"],
  ["read-write", "readWrite"],
] as const satisfies readonly (readonly [string, LockDiscipline])[];

const ORCHESTRATIONS = ["linear", "centralised", "distributed"] as const;

function entryOf(
  orchestration: (typeof ORCHESTRATIONS)[number],
  [locks, discipline]: (typeof DISCIPLINES)[number],
): ProtocolEntry {
  const name = `byshard-${orchestration}-${locks}`;
  const title = `ByShard, ${orchestration}, ${locks} locks`;
  const common = { name, title, source: SOURCE, isReconstruction: true, discipline };
  if (orchestration === "linear") {
    return protocolEntry(name, (settings) => createLinear(common, settings));
  }
  return protocolEntry(name, (settings) => createVoting({ ...common, orchestration }, settings));
}

/** ByShard's orchestrations, each with write locks and with read-write locks. */
export const BYSHARD: readonly ProtocolEntry[] = ORCHESTRATIONS.flatMap((orchestration) =>
  DISCIPLINES.map((discipline) => entryOf(orchestration, discipline)),
);
