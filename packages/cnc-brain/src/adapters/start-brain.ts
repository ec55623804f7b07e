import { createPrng, type Prng } from "@fmlab/sim";
import { learnedScheduler } from "../learn/learned-scheduler.ts";
import { parseWeights } from "../learn/policy-weights.ts";
import { ServedPolicy } from "../learn/served-policy.ts";
import { readText } from "../read-file.ts";
import { createScheduler } from "../scheduling/registry.ts";
import type { Scheduler } from "../scheduling/scheduler.ts";
import { AuditJournal } from "./audit-journal.ts";
import { Brain } from "./brain.ts";
import { BrainMetrics } from "./brain-metrics.ts";
import type { Timekeeper } from "./timekeeper.ts";

/** What every server of decisions is told. */
export interface BrainSettings {
  /** A baseline's name, or the path of a trained policy (`policy-*.json` of cnc-brain.train). */
  policy: string;
  /** A baseline's name: decides where the policy fails or breaks the mask. */
  fallback: string;
  seed: number;
  /** File that every decision is appended to; undefined: kept in memory only. */
  auditFile: string | undefined;
}

/** A brain and what it tells. */
export interface StartedBrain {
  brain: Brain;
  journal: AuditJournal;
  metrics: BrainMetrics;
}

/** A server that has begun to listen. */
export interface StartedServer {
  address: string;
  /** Resolves when everything under way has ended. */
  stop(): Promise<void>;
}

/**
 * Makes a brain by names and files.
 *
 * @throws CncError `UNKNOWN_NAME` for a baseline that is none, `UNREADABLE_FILE` | `BAD_FILE` for a
 *   trained policy
 */
export function startBrain(settings: BrainSettings, time: Timekeeper): StartedBrain {
  const { policy, fallback, seed, auditFile } = settings;
  const prng = createPrng(seed, "brain");
  const metrics = new BrainMetrics();
  const journal = new AuditJournal(auditFile);
  const scheduler = policyOf(policy, prng);
  const parts = { fallback: createScheduler(fallback, prng.fork("fallback")), journal, metrics };
  return { brain: new Brain({ ...parts, scheduler, clock: time }), journal, metrics };
}

/** A baseline by name, or a trained policy by the path of its weights. */
function policyOf(policy: string, prng: Prng): Scheduler {
  if (!policy.endsWith(".json")) return createScheduler(policy, prng);
  return learnedScheduler(new ServedPolicy(parseWeights(readText(policy), policy)));
}
