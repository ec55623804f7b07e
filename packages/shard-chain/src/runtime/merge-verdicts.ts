import type { Verdict } from "../oracles/verdict.ts";

/** One verdict of the same oracle on several chains: violations one after another, facts summed. */
export function mergeVerdicts(oracle: string, verdicts: readonly Verdict[]): Verdict {
  const facts: Record<string, number> = {};
  for (const verdict of verdicts) {
    for (const [name, value] of Object.entries(verdict.facts)) {
      facts[name] = (facts[name] ?? 0) + value;
    }
  }
  return {
    oracle,
    passed: verdicts.every(({ passed }) => passed),
    violationCount: verdicts.reduce((sum, { violationCount }) => sum + violationCount, 0),
    violations: verdicts.flatMap(({ violations }) => violations),
    facts,
  };
}
