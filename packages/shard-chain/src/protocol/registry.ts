import { ShardChainError } from "../errors.ts";
import { AHL } from "./ahl.ts";
import { BROKER } from "./broker.ts";
import { BYSHARD } from "./byshard.ts";
import { HAECHI, HAECHI_SYNC } from "./haechi.ts";
import { PROTOCOL_NAMES } from "./names.ts";
import { PROPHET } from "./prophet.ts";
import type { Protocol, ProtocolEntry, ProtocolSettings } from "./protocol.ts";
import { RELAY } from "./relay.ts";

/** Every protocol, in the order they are shown. A new one is a line here, and one in `names.ts`. */
export const PROTOCOLS: readonly ProtocolEntry[] = [
  RELAY,
  BROKER,
  AHL,
  ...BYSHARD,
  HAECHI,
  HAECHI_SYNC,
  PROPHET,
];

/**
 * The named protocol with these settings.
 *
 * @throws ShardChainError `UNKNOWN_NAME`
 */
export function createProtocol(name: string, settings: ProtocolSettings): Protocol {
  const entry = PROTOCOLS.find((one) => one.name === name);
  if (entry === undefined) {
    throw new ShardChainError(
      `there is no protocol "${name}"; known are ${PROTOCOL_NAMES.join(", ")}`,
      { code: "UNKNOWN_NAME", what: "protocol", name, known: PROTOCOL_NAMES },
    );
  }
  return entry.create(settings);
}
