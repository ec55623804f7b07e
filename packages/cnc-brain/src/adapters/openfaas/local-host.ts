import { AdapterError } from "../errors.ts";
import { HttpRefusal } from "../http-service.ts";
import type { Timekeeper } from "../timekeeper.ts";
import type { FunctionCatalogue } from "./catalogue.ts";
import { CoreSlots } from "./core-slots.ts";
import type { Invocation, InvocationAnswer } from "./function-process.ts";
import { FunctionService } from "./function-service.ts";
import { ProviderMetrics } from "./provider-metrics.ts";
import type { FunctionDeployment } from "./wire.ts";

/** What a host of functions is. */
export interface LocalHostOptions {
  catalogue: FunctionCatalogue;
  time: Timekeeper;
  /** Namespaces there are; the first is the default. */
  namespaces: readonly string[];
  /** Cores that invocations share, each asking for its `requests.cpu` or 1; Infinity: no limit. */
  cores: number;
  /** No function has more replicas. */
  replicasMax: number;
}

/** An answer, and whether a process had to be started for it. */
export type HostAnswer = InvocationAnswer & { isCold: boolean };

/**
 * Functions that run as processes of this machine: deployed, scaled, invoked, removed. The provider
 * API is its face; the testbed uses several as its nodes.
 */
export class LocalHost {
  readonly options: LocalHostOptions;
  readonly metrics = new ProviderMetrics();
  readonly slots: CoreSlots;
  readonly #services = new Map<string, FunctionService>();

  constructor(options: LocalHostOptions) {
    this.options = options;
    this.slots = new CoreSlots(options.cores);
  }

  get defaultNamespace(): string {
    return this.options.namespaces[0] ?? "openfaas-fn";
  }

  /** Functions of a namespace, by name. */
  list(namespace?: string): FunctionService[] {
    const prefix = `${namespace || this.defaultNamespace}/`;
    const keys = [...this.#services.keys()].filter((key) => key.startsWith(prefix)).sort();
    return keys.flatMap((key) => this.#services.get(key) ?? []);
  }

  /** A function; undefined: there is none. */
  find(name: string, namespace?: string | null): FunctionService | undefined {
    return this.#services.get(`${namespace || this.defaultNamespace}/${name}`);
  }

  /**
   * Deploys or replaces a function; its replicas start in the background.
   *
   * @throws HttpRefusal 400 for what may not run here
   */
  async deploy(deployment: FunctionDeployment): Promise<void> {
    const namespace = deployment.namespace || this.defaultNamespace;
    if (!this.options.namespaces.includes(namespace)) {
      throw new HttpRefusal(400, `there is no namespace ${namespace}`);
    }
    const program = this.options.catalogue.programOf(deployment);
    const key = `${namespace}/${deployment.service}`;
    const before = this.#services.get(key);
    const service = new FunctionService(deployment, program, namespace, this.options.time);
    this.#services.set(key, service);
    await before?.stop();
    service.setReplicas(service.scale.min).catch(() => {});
    this.#count(service);
  }

  /** Removes a function; false: there was none. */
  async remove(name: string, namespace?: string | null): Promise<boolean> {
    const key = `${namespace || this.defaultNamespace}/${name}`;
    const service = this.#services.get(key);
    this.#services.delete(key);
    this.metrics.replicas.remove({ function_name: key.replace(/(.*)\/(.*)/, "$2.$1") });
    await service?.stop();
    return service !== undefined;
  }

  /** Sets the number of replicas; those that are new start in the background. */
  scale(service: FunctionService, replicas: number): void {
    service.setReplicas(Math.min(replicas, this.options.replicasMax)).catch(() => {});
    this.#count(service);
  }

  /** Runs a request; a process that fails answers 502. */
  async invoke(service: FunctionService, invocation: Invocation): Promise<HostAnswer> {
    const labels = { function_name: `${service.name}.${service.namespace}` };
    this.metrics.started.inc(labels);
    const startMs = this.options.time.nowMs();
    const cores = service.cores ?? 1;
    await this.slots.acquire(cores);
    let answer: HostAnswer;
    try {
      answer = await service.invoke(invocation);
    } catch (error) {
      if (!(error instanceof AdapterError)) throw error;
      answer = { status: 502, headers: {}, body: Buffer.from(error.message), isCold: false };
    } finally {
      this.slots.release(cores);
    }
    this.metrics.invocations.inc({ ...labels, code: String(answer.status) });
    this.metrics.seconds.observe(labels, (this.options.time.nowMs() - startMs) / 1000);
    this.#count(service);
    return answer;
  }

  /** Ends every process. */
  async stop(): Promise<void> {
    await Promise.all([...this.#services.values()].map((service) => service.stop()));
    this.#services.clear();
  }

  #count(service: FunctionService): void {
    const function_name = `${service.name}.${service.namespace}`;
    this.metrics.replicas.set({ function_name }, service.desiredReplicas);
  }
}
