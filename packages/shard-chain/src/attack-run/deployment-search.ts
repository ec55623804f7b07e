import type { AttackConfig } from "../definitions/attack.ts";
import type { Deployment } from "../runtime/deployment.ts";
import type { DeploymentOutcome } from "../runtime/run-deployment.ts";
import {
  type DeploymentScenario,
  drawDeployment,
  readDeployment,
  SETTLED_MS,
  smallerDeployments,
} from "./deployment-scenario.ts";
import type { Broken, Convicted, FaultBar, SearchFindings, SearchWatch } from "./findings.ts";
import { runDeploymentScenario } from "./run-deployment-scenario.ts";

/**
 * Schedules against a whole deployment: every oracle is asked after each; with a third of faulty
 * power or more on a chain, only agreement.
 */
export async function searchDeployment(
  config: AttackConfig,
  firstSeed: number,
  watch: SearchWatch,
): Promise<SearchFindings> {
  const search = new DeploymentSearch(config);
  const { replay } = config;
  const replayed = replay === "" ? undefined : readDeployment(replay);
  const count = replayed === undefined ? config.schedules : 1;
  for (let i = 0; i < count; i++) {
    await watch(i);
    await search.run(replayed ?? drawDeployment(config, firstSeed + i));
  }
  return search.findings(count);
}

class DeploymentSearch {
  readonly #config: AttackConfig;
  readonly #broken: (Broken & { readonly scenario: DeploymentScenario })[] = [];
  readonly #convicted: Convicted[] = [];
  #events = 0;
  #forks = 0;
  #attributed = 0;
  #innocentNamed = 0;

  constructor(config: AttackConfig) {
    this.#config = config;
  }

  async run(scenario: DeploymentScenario): Promise<void> {
    const outcome = await runDeploymentScenario(this.#config, scenario);
    const { seed } = scenario;
    this.#events += outcome.events;
    for (const { oracle, violations } of this.#counted(outcome)) {
      this.#broken.push({ seed, kind: oracle, what: violations[0]?.what ?? "", scenario });
    }
    outcome.deployment.agreement().forEach(({ passed }, chain) => {
      this.#blame(outcome.deployment, chain, scenario, !passed);
    });
  }

  async findings(schedules: number): Promise<SearchFindings> {
    const [first] = this.#broken;
    const smallest = first && (await this.#shrink(first.scenario, first.kind));
    return {
      schedules,
      events: this.#events,
      broken: this.#broken,
      forks: this.#forks,
      attributed: this.#attributed,
      convicted: this.#convicted,
      innocentNamed: this.#innocentNamed,
      smallest: smallest && { scenario: smallest, bars: barsOf(smallest) },
    };
  }

  #counted({ failures }: DeploymentOutcome): DeploymentOutcome["failures"] {
    if (this.#config.budget === "below-third") return failures;
    return failures.filter(({ oracle }) => oracle === "agreement");
  }

  /** Names culprits of a chain by what they have signed; after a fork a third has to be named. */
  #blame(
    deployment: Deployment,
    chain: number,
    { seed, faulty }: DeploymentScenario,
    isForked: boolean,
  ): void {
    const { culprits, isAttributed } = deployment.blame(chain);
    if (isForked) this.#forks++;
    if (isForked && isAttributed) this.#attributed++;
    const where = deployment.directory.nameOf(chain);
    for (const { validator, power, evidence } of culprits) {
      const kinds = [...new Set(evidence.map(({ kind }) => kind))];
      const inBlock = deployment.witness.convictions.find(
        (one) => one.chain === chain && one.validator === validator,
      );
      const proven = inBlock === undefined ? [] : [`evidence in block ${inBlock.height}`];
      this.#convicted.push({ seed, where, validator, power, evidence: [...kinds, ...proven] });
      const isGuilty = faulty.some((one) => one.chain === chain && one.validator === validator);
      if (!isGuilty) this.#innocentNamed++;
    }
  }

  async #shrink(scenario: DeploymentScenario, kind: string): Promise<DeploymentScenario> {
    let best = scenario;
    let runs = 0;
    for (let isSmaller = true; isSmaller; ) {
      isSmaller = false;
      for (const candidate of smallerDeployments(best)) {
        if (runs++ >= this.#config.shrinkRuns) return best;
        const outcome = await runDeploymentScenario(this.#config, candidate);
        if (!this.#counted(outcome).some(({ oracle }) => oracle === kind)) continue;
        best = candidate;
        isSmaller = true;
        break;
      }
    }
    return best;
  }
}

function barsOf(scenario: DeploymentScenario): FaultBar[] {
  const { crashes, faults, faulty, carrierDelayMs, frontRun } = scenario;
  const endMs = Math.max(SETTLED_MS, ...faults.map((fault) => fault.endMs));
  const whole = { startMs: 0, endMs };
  return [
    ...faulty.map(({ chain, validator, strategies }) => ({
      lane: laneOf(chain, validator),
      ...whole,
      label: strategies.map(({ kind }) => kind).join(", "),
    })),
    ...crashes.map(({ chain, validator, atMs, backMs }) => ({
      lane: laneOf(chain, validator),
      startMs: atMs,
      endMs: backMs ?? Math.max(endMs, atMs),
      label: "down",
    })),
    ...faults.map((fault) => ({
      lane: "network",
      startMs: fault.startMs,
      endMs: fault.endMs,
      label: fault.kind,
    })),
    ...(carrierDelayMs === 0
      ? []
      : [{ lane: "carriers", ...whole, label: `hold messages ${carrierDelayMs} ms` }]),
    ...(frontRun === "none"
      ? []
      : [{ lane: "clients", ...whole, label: `front-running ${frontRun} shards` }]),
  ];
}

function laneOf(chain: number, validator: number): string {
  return `chain ${chain}, validator ${validator}`;
}
