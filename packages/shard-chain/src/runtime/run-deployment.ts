import type { RunSummary } from "../measurement/run-meter.ts";
import { checkAtomicity } from "../oracles/atomicity.ts";
import { checkConservation, totalBalance } from "../oracles/conservation.ts";
import { checkFairness } from "../oracles/fairness.ts";
import { checkReplay } from "../oracles/replay.ts";
import { checkSerialisability } from "../oracles/serialisability.ts";
import type { Verdict } from "../oracles/verdict.ts";
import { Clients } from "./clients.ts";
import { Deployment, genesisAccounts } from "./deployment.ts";
import { checkLiveness } from "./liveness.ts";
import { mergeVerdicts } from "./merge-verdicts.ts";
import type { DeploymentSettings } from "./world-settings.ts";

/** How long a deployment runs. */
export interface RunPlan {
  /** First moment that counts, virtual ms. */
  readonly warmupMs: number;
  /** How long to go on after the last arrival, at most, until every transaction has ended. */
  readonly drainMs: number;
  /** Nothing ends for so long, while something is in flight: the run stands still. */
  readonly stallMs: number;
}

/** What a run of a deployment led to. */
export interface DeploymentOutcome {
  readonly deployment: Deployment;
  /** From the warm-up to the last arrival: what `summary` is about. */
  readonly window: { readonly fromMs: number; readonly toMs: number };
  readonly summary: RunSummary;
  readonly verdicts: readonly Verdict[];
  /** Verdicts that fail the run: failed, and demanded of this protocol. */
  readonly failures: readonly Verdict[];
  /** State root of each chain at the end, hex. */
  readonly stateRoots: readonly string[];
  readonly heights: readonly number[];
  readonly traceHash: string;
  readonly isDrained: boolean;
  readonly sentCount: number;
  readonly endMs: number;
  readonly events: number;
}

/** How far a run has come. */
export interface RunState {
  readonly nowMs: number;
  readonly sent: number;
  readonly inFlight: number;
  readonly deployment: Deployment;
}

/** Told now and then; may stop the run by throwing. */
export type RunWatch = (state: RunState) => Promise<void>;

/** Virtual time between two looks at how far a run has come. */
const STEP_MS = 1_000;

/** Runs a deployment until its clients are done and all has ended, then asks every oracle. */
export async function runDeployment(
  settings: DeploymentSettings,
  plan: RunPlan,
  watch?: RunWatch,
): Promise<DeploymentOutcome> {
  const deployment = new Deployment(settings);
  const clients = new Clients(deployment);
  const { world, recorder } = deployment;
  const { simulation } = world;
  for (;;) {
    simulation.runUntil(simulation.nowMs() + STEP_MS);
    const nowMs = simulation.nowMs();
    const { sentCount: sent } = clients;
    await watch?.({ nowMs, sent, inFlight: recorder.inFlightCount, deployment });
    recorder.giveUpGapped(nowMs);
    if (!clients.isDone) continue;
    const idleSinceMs = Math.max(clients.lastDueMs, recorder.lastEndMs);
    const isOver =
      recorder.inFlightCount === 0 ||
      nowMs > clients.lastDueMs + plan.drainMs ||
      nowMs > idleSinceMs + plan.stallMs;
    if (isOver) break;
  }
  return judge(deployment, clients, plan);
}

function judge(deployment: Deployment, clients: Clients, plan: RunPlan): DeploymentOutcome {
  const { recorder, world, genesisWei, settings } = deployment;
  recorder.close();
  const { history } = recorder;
  const ledgers = deployment.ledgers();
  const now = ledgers.reduce((sum, ledger) => sum + totalBalance(ledger), 0n);
  const isDrained = recorder.inFlightCount === 0;
  const verdicts = [
    mergeVerdicts("agreement", deployment.agreement()),
    recorder.validity(),
    checkLiveness(deployment, plan),
    checkConservation(history, { genesis: genesisWei, now }),
    mergeVerdicts("atomicity", [checkAtomicity(history, { isDrained }), recorder.decisions()]),
    checkSerialisability(history),
    checkFairness(history),
    ...replayVerdicts(deployment, isDrained),
  ];
  const stateRoots = ledgers.map(({ rootHex }) => rootHex);
  for (const root of stateRoots) world.trace.addString(root);
  const { promises } = settings.protocol;
  const isDemanded = ({ oracle }: Verdict) =>
    (oracle !== "serialisability" && oracle !== "fairness") || promises.has(oracle);
  const window = { fromMs: Math.min(plan.warmupMs, clients.lastDueMs), toMs: clients.lastDueMs };
  return {
    deployment,
    window,
    summary: recorder.meter.summarise({ ...window, knownMs: world.simulation.nowMs() }),
    verdicts,
    failures: verdicts.filter((verdict) => !verdict.passed && isDemanded(verdict)),
    stateRoots,
    heights: deployment.heights(),
    traceHash: world.trace.digest(),
    isDrained,
    sentCount: clients.sentCount,
    endMs: world.simulation.nowMs(),
    events: world.simulation.eventsRun,
  };
}

/** The naive reference, where it was asked for and the protocol promises what it needs. */
function replayVerdicts(deployment: Deployment, isDrained: boolean): Verdict[] {
  const { settings, recorder } = deployment;
  const { protocol, replay, contracts } = settings;
  if (!replay || !isDrained || !protocol.promises.has("serialisability")) return [];
  return [
    checkReplay(recorder.history, {
      genesis: genesisAccounts(settings),
      transactions: recorder.transactions,
      feesPaid: recorder.feesPaid,
      ledgers: deployment.ledgers(),
      execution: { ...(contracts && { contracts }) },
    }),
  ];
}
