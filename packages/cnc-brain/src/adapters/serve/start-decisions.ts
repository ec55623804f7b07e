import { type BrainSettings, type StartedServer, startBrain } from "../start-brain.ts";
import type { Timekeeper } from "../timekeeper.ts";
import { readClusterDocument } from "./cluster-document.ts";
import { DecisionServer } from "./decision-server.ts";

/** What `fmlab brain serve` is told. */
export interface DecisionSettings extends BrainSettings {
  host: string;
  port: number;
  /** JSON of the cluster document. */
  cluster: unknown;
}

/**
 * Serves decisions for a cluster that a document describes.
 *
 * @throws AdapterError `BAD_DOCUMENT`, CncError `UNKNOWN_NAME` | `BAD_POLICY`
 */
export async function startDecisions(
  settings: DecisionSettings,
  time: Timekeeper,
): Promise<StartedServer> {
  const cluster = readClusterDocument(settings.cluster);
  const started = startBrain(settings, time);
  const server = new DecisionServer(settings, { ...started, cluster, time });
  return { address: await server.start(), stop: () => server.stop() };
}
