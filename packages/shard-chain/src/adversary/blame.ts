import { VoteCheck } from "../consensus/vote-check.ts";
import { type AccountabilityReport, findCulprits } from "./accountability.ts";
import { runScenario, type ScenarioOptions, type ScenarioOutcome } from "./run-scenario.ts";
import { correctValidators, type Scenario } from "./scenario.ts";
import { StatementCollector } from "./statements.ts";

/** A scenario run again with everything written down, and who is to blame. */
export interface Blame {
  readonly outcome: ScenarioOutcome;
  readonly report: AccountabilityReport;
  /** Named validators that had followed the rules: none, or the report is wrong. */
  readonly innocent: readonly number[];
}

/** Runs a scenario and names culprits from what its correct validators received. */
export function blame(scenario: Scenario, options: ScenarioOptions = {}): Blame {
  const outcome = runScenario(scenario, { ...options, record: true });
  const { committee, scheme, votes, messages, committed } = outcome;
  const collector = new StatementCollector(new VoteCheck(committee, scheme));
  for (const vote of votes) collector.addVote(vote);
  for (const message of messages) collector.addMessage(message);
  collector.addMessage({ type: "blocks", blocks: committed });
  const report = findCulprits(scenario.consensus, committee, collector);
  const correct = new Set(correctValidators(scenario));
  const innocent = report.culprits
    .map(({ validator }) => validator)
    .filter((validator) => correct.has(validator));
  return { outcome, report, innocent };
}
