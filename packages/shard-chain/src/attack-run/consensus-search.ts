import { blame } from "../adversary/blame.ts";
import { drawScenario } from "../adversary/draw-scenario.ts";
import { runScenario, type ScenarioOutcome } from "../adversary/run-scenario.ts";
import type { Scenario, Strategy } from "../adversary/scenario.ts";
import { shrinkScenario } from "../adversary/shrink.ts";
import { CONSENSUS_STRATEGIES } from "../adversary/strategy-names.ts";
import type { AttackConfig } from "../definitions/attack.ts";
import type { Broken, Convicted, FaultBar, SearchFindings, SearchWatch } from "./findings.ts";
import { tellViolation } from "./tell-violation.ts";

/** Liveness is not asked for with a third of faulty power or more: such runs may end early, ms. */
const FORK_LIVE_MS = 3_000;

/** Schedules against one committee: each drawn from its seed, judged, and blamed where it forks. */
export async function searchConsensus(
  config: AttackConfig,
  firstSeed: number,
  watch: SearchWatch,
): Promise<SearchFindings> {
  const { consensus, budget, schedules } = config;
  const kinds = kindsOf(config);
  const search = new ConsensusSearch(config);
  const replayed = config.replay === "" ? undefined : (JSON.parse(config.replay) as Scenario);
  const count = replayed === undefined ? schedules : 1;
  for (let i = 0; i < count; i++) {
    await watch(i);
    search.run(replayed ?? drawScenario(consensus, firstSeed + i, budget, kinds));
  }
  return search.findings(count);
}

/** What of the config's strategies concerns one committee; undefined for all there is. */
function kindsOf({ strategies }: AttackConfig): Strategy["kind"][] | undefined {
  const kinds = CONSENSUS_STRATEGIES.filter((name) => strategies.includes(name));
  return kinds.length === CONSENSUS_STRATEGIES.length ? undefined : (kinds as Strategy["kind"][]);
}

class ConsensusSearch {
  readonly #config: AttackConfig;
  readonly #broken: (Broken & { readonly scenario: Scenario })[] = [];
  readonly #convicted: Convicted[] = [];
  #events = 0;
  #forks = 0;
  #attributed = 0;
  #innocentNamed = 0;

  constructor(config: AttackConfig) {
    this.#config = config;
  }

  run(scenario: Scenario): void {
    const outcome = runScenario(scenario, this.#options());
    this.#events += outcome.events;
    const [first] = this.#counted(outcome);
    if (first === undefined) return;
    const { seed } = scenario;
    this.#broken.push({ seed, kind: first.kind, what: tellViolation(first), scenario });
    if (first.kind === "agreement") this.#blame(scenario);
  }

  findings(schedules: number): SearchFindings {
    const [first] = this.#broken;
    return {
      schedules,
      events: this.#events,
      broken: this.#broken,
      forks: this.#forks,
      attributed: this.#attributed,
      convicted: this.#convicted,
      innocentNamed: this.#innocentNamed,
      smallest: first && this.#shrink(first.scenario, first.kind),
    };
  }

  #options() {
    return this.#isBelow() ? {} : { liveWithinMs: FORK_LIVE_MS };
  }

  #isBelow(): boolean {
    return this.#config.budget === "below-third";
  }

  /** With a third of faulty power or more only agreement is looked at. */
  #counted({ violations }: ScenarioOutcome): ScenarioOutcome["violations"] {
    return this.#isBelow() ? violations : violations.filter(({ kind }) => kind === "agreement");
  }

  #blame(scenario: Scenario): void {
    const { report, innocent } = blame(scenario, this.#options());
    this.#forks++;
    if (report.isAttributed) this.#attributed++;
    this.#innocentNamed += innocent.length;
    for (const { validator, power, evidence } of report.culprits) {
      const kinds = [...new Set(evidence.map(({ kind }) => kind))];
      const where = "the committee";
      this.#convicted.push({ seed: scenario.seed, where, validator, power, evidence: kinds });
    }
  }

  #shrink(scenario: Scenario, kind: string): SearchFindings["smallest"] {
    const breaks = (candidate: Scenario) =>
      this.#counted(runScenario(candidate, this.#options())).some((one) => one.kind === kind);
    const { shrinkRuns } = this.#config;
    const small =
      shrinkRuns === 0 ? scenario : shrinkScenario(scenario, breaks, shrinkRuns).scenario;
    return { scenario: small, bars: barsOf(small) };
  }
}

function barsOf({ faulty, faults, holds, restarts, settledMs }: Scenario): FaultBar[] {
  return [
    ...faulty.map(({ validator, strategies }) => ({
      lane: `validator ${validator}`,
      startMs: 0,
      endMs: settledMs,
      label: strategies.map(({ kind }) => kind).join(", ") || "silent",
    })),
    ...restarts.map(({ validator, atMs, downMs }) => ({
      lane: `validator ${validator}`,
      startMs: atMs,
      endMs: atMs + downMs,
      label: "down",
    })),
    ...faults.map(({ kind, startMs, endMs }) => ({ lane: "network", startMs, endMs, label: kind })),
    ...holds.map(({ types, startMs, endMs }) => ({
      lane: "network",
      startMs,
      endMs,
      label: `holds ${types.join(", ")}`,
    })),
  ];
}
