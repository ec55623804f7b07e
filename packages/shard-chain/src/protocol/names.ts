/**
 * Names of all protocols, for forms; a list of its own so that definitions import no protocol.
 * `registry.ts` has them in the same order.
 */
export const PROTOCOL_NAMES = [
  "relay",
  "broker",
  "ahl",
  "byshard-linear-write",
  "byshard-linear-read-write",
  "byshard-centralised-write",
  "byshard-centralised-read-write",
  "byshard-distributed-write",
  "byshard-distributed-read-write",
  "haechi",
  "haechi-sync",
  "prophet",
] as const;

/** One of them. */
export type ProtocolName = (typeof PROTOCOL_NAMES)[number];
