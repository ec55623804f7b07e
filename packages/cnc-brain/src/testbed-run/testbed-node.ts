import { BURN_IMAGE, FunctionCatalogue } from "../adapters/openfaas/catalogue.ts";
import { LocalHost } from "../adapters/openfaas/local-host.ts";
import { OpenFaasProvider } from "../adapters/openfaas/provider.ts";
import { SCALE_LABELS } from "../adapters/openfaas/wire.ts";
import type { Timekeeper } from "../adapters/timekeeper.ts";

/** Answer of a node to one invocation. */
export interface NodeAnswer {
  /** From sending to the answer, injected latency aside. */
  tookMs: number;
  /** A process was started for it. */
  isCold: boolean;
}

/**
 * One node of the testbed: an OpenFaaS provider of its own with one core, reached over real HTTP on
 * this machine; its functions are real processes.
 */
export class TestbedNode {
  readonly #host: LocalHost;
  readonly #provider: OpenFaasProvider;
  readonly #time: Timekeeper;
  #address = "";

  constructor(time: Timekeeper) {
    this.#time = time;
    this.#host = new LocalHost({
      catalogue: new FunctionCatalogue(),
      time,
      namespaces: ["openfaas-fn"],
      cores: 1,
      replicasMax: 1,
    });
    const version = { release: "testbed", sha: "testbed" };
    const reached = { host: "127.0.0.1", port: 0, credentials: undefined };
    this.#provider = new OpenFaasProvider({ ...reached, version, role: "provider" }, this.#host);
  }

  /** Starts the provider and deploys the functions, all at zero replicas. */
  async start(functionNames: readonly string[], keepMs: number): Promise<void> {
    this.#address = await this.#provider.start();
    const labels = {
      [SCALE_LABELS.zero]: "true",
      [SCALE_LABELS.zeroDuration]: `${Math.max(1, Math.round(keepMs))}ms`,
    };
    for (const service of functionNames) {
      const body = JSON.stringify({ service, image: BURN_IMAGE, labels });
      const answer = await fetch(`${this.#address}/system/functions`, { method: "POST", body });
      if (answer.status !== 202) throw new Error(`deploying ${service}: ${await answer.text()}`);
    }
  }

  /** Ready processes of a function without work. */
  idleOf(functionName: string): number {
    return this.#host.find(functionName)?.idleReplicas ?? 0;
  }

  /** Invokes a function over HTTP: so much work, at a share of a core. */
  async invoke(functionName: string, workMs: number, cpuShare: number): Promise<NodeAnswer> {
    const startMs = this.#time.nowMs();
    const body = JSON.stringify({ workMs, cpuShare });
    const url = `${this.#address}/function/${functionName}`;
    const answer = await fetch(url, { method: "POST", body });
    const text = await answer.text();
    if (answer.status !== 200)
      throw new Error(`${functionName} answered ${answer.status}: ${text}`);
    const isCold = answer.headers.get("x-cold-start") === "true";
    return { tookMs: this.#time.nowMs() - startMs, isCold };
  }

  /** Ends a function's process, so that the next invocation starts one. */
  async cool(functionName: string): Promise<void> {
    await this.#host.find(functionName)?.setReplicas(0);
  }

  async stop(): Promise<void> {
    await this.#provider.stop();
  }
}
