import { hostname } from "node:os";
import { resolve } from "node:path";
import { Agent } from "../agent/agent.ts";
import { remoteAgentServer } from "../agent/remote-agent-server.ts";
import { extraModules } from "../experiments.ts";
import { sampleMachine } from "../gpu/sample-machine.ts";
import { machineFolders } from "../repository.ts";
import { findConnection, ServerConnection } from "../server-connection.ts";
import { parseWhole } from "./config-input.ts";
import { EXIT } from "./exit-code.ts";
import { note } from "./terminal.ts";

/** Flags of `fmlab agent`, as commander hands them over. */
export interface AgentCommandOptions {
  url?: string;
  token?: string;
  name?: string;
  concurrency: string;
  cancelGrace: string;
  shutdownGrace: string;
  heapMib?: string;
  gpuSample: string;
  experiments: string[];
}

/**
 * `fmlab agent`: runs a server's experiments on this machine until it is told to stop. The first
 * SIGTERM or Ctrl-C lets running attempts end within the grace; the second gives them up at once.
 */
export async function agentCommand(options: AgentCommandOptions): Promise<number> {
  const folders = machineFolders();
  const connection = findConnection(options, "agent", folders.homeDir);
  const stop = new AbortController();
  const sampling = await sampleMachine(parseWhole("--gpu-sample", options.gpuSample));
  const agent = new Agent({
    server: remoteAgentServer(new ServerConnection(connection)),
    name: options.name ?? hostname(),
    concurrency: parseWhole("--concurrency", options.concurrency, 1),
    folders,
    modules: [...extraModules(), ...options.experiments.map((path) => resolve(path))],
    heapMiB:
      options.heapMib === undefined ? undefined : parseWhole("--heap-mib", options.heapMib, 16),
    cancelGraceMs: parseWhole("--cancel-grace", options.cancelGrace) * 1_000,
    shutdownGraceMs: parseWhole("--shutdown-grace", options.shutdownGrace) * 1_000,
    sampleMachine: sampling,
    tell: (message) => {
      note(`agent: ${message}`);
      process.send?.({ type: "agent", message });
    },
  });
  const onStop = () => {
    if (stop.signal.aborted) agent.hurry();
    stop.abort();
  };
  process.on("SIGINT", onStop);
  process.on("SIGTERM", onStop);
  // A supervisor that is gone cannot stop this agent any more: a new one would start a second.
  process.on("disconnect", onStop);
  try {
    await agent.run(stop.signal);
  } finally {
    process.off("SIGINT", onStop);
    process.off("SIGTERM", onStop);
    process.off("disconnect", onStop);
  }
  return EXIT.success;
}
