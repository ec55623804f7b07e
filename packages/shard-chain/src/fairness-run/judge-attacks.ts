import type { FrontRunner } from "../adversary/front-runner.ts";
import type { Address } from "../ledger/address.ts";
import { ACCESS, OUTCOME } from "../oracles/history.ts";
import { compareProcessed, type ProcessedPlace } from "../oracles/processing-order.ts";
import type { DeploymentOutcome } from "../runtime/run-deployment.ts";

/** What became of one attack. */
export interface AttackOutcome {
  readonly victim: string;
  readonly attack: string;
  readonly victimAt: ProcessedPlace | undefined;
  readonly attackAt: ProcessedPlace | undefined;
  /** The attack was processed after its victim, and yet executed on the target before it. */
  readonly succeeded: boolean;
}

/** Looks up in the record who touched the target first, of each victim and its attack. */
export function judgeAttacks(
  { deployment }: Pick<DeploymentOutcome, "deployment">,
  runs: FrontRunner["runs"],
  target: Address,
): AttackOutcome[] {
  const { history } = deployment.recorder;
  const firstAccess = new Map<number, number>();
  const { transaction, key, kind } = history.accesses;
  const targetKey = history.keys.find(target);
  for (let i = 0; i < transaction.length; i++) {
    if (key.at(i) !== targetKey || kind.at(i) === ACCESS.undo) continue;
    const who = transaction.at(i);
    const isCommitted = history.outcomes[who] === OUTCOME.commit;
    if (isCommitted && !firstAccess.has(who)) firstAccess.set(who, i);
  }
  return runs.map(({ victim, attack }) => {
    const [victimNumber, attackNumber] = [victim, attack].map((id) =>
      history.transactions.find(id),
    );
    const victimAt = victimNumber === undefined ? undefined : history.processedAt(victimNumber);
    const attackAt = attackNumber === undefined ? undefined : history.processedAt(attackNumber);
    const victimFirst = firstAccess.get(victimNumber ?? -1);
    const attackFirst = firstAccess.get(attackNumber ?? -1);
    const succeeded =
      victimAt !== undefined &&
      attackAt !== undefined &&
      compareProcessed(victimAt, attackAt) < 0 &&
      attackFirst !== undefined &&
      (victimFirst === undefined || attackFirst < victimFirst);
    return { victim, attack, victimAt, attackAt, succeeded };
  });
}
