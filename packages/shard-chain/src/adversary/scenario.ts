import type { NetworkFault } from "@fmlab/sim";
import type { ConsensusName } from "../node/consensus.ts";
import type { PayloadFault } from "./command-application.ts";

/** What a faulty validator does. Several may act on one validator. */
export type Strategy =
  /**
   * Runs as several copies with one key. Each copy hears and answers only the correct validators of
   * its side, and the same copy of other equivocators: two stories, each told consistently.
   */
  | { readonly kind: "equivocate"; readonly sides: readonly (readonly number[])[] }
  /** Does not send to some, or only some types of messages. */
  | {
      readonly kind: "withhold";
      readonly to: readonly number[];
      /** Types of messages, votes by their kind; undefined for all. */
      readonly types?: readonly string[];
    }
  /** Sends late to some. */
  | { readonly kind: "delay"; readonly to: readonly number[]; readonly delayMs: number }
  /** Proposes no commands. */
  | { readonly kind: "censor" }
  /** Proposes payloads that no correct validator accepts. */
  | { readonly kind: "invalid-payload" }
  /** At a time goes on from an old state: forgets its locks and the last blocks. */
  | { readonly kind: "stale-snapshot"; readonly atMs: number; readonly blocksBack: number }
  /** As a proposer leaves out what it must build on: valid block, certificate, prepared block. */
  | { readonly kind: "stale-proposal" }
  /** Votes in every step for every block it hears of, whatever it has voted for before. */
  | { readonly kind: "false-vote" };

/** A faulty validator and what it does. */
export interface FaultyValidator {
  readonly validator: number;
  readonly strategies: readonly Strategy[];
}

/** Messages of some types that come late, until the end of a window; by the time they are sent. */
export interface MessageHold {
  /** Types of messages; votes by their kind. */
  readonly types: readonly string[];
  readonly from: readonly number[];
  readonly to: readonly number[];
  readonly startMs: number;
  readonly endMs: number;
}

/** A correct validator stops and comes back with what it had written down. */
export interface Restart {
  readonly validator: number;
  readonly atMs: number;
  readonly downMs: number;
}

/** One run of a consensus against an adversary, as data: equal scenarios run alike. */
export interface Scenario {
  readonly consensus: ConsensusName;
  readonly seed: number;
  /** Power of each validator. */
  readonly powers: readonly number[];
  readonly faulty: readonly FaultyValidator[];
  /** What the network does before it settles. */
  readonly faults: readonly NetworkFault[];
  /** What it does to single types of messages before it settles. */
  readonly holds: readonly MessageHold[];
  readonly restarts: readonly Restart[];
  /** Longest extra share of the travel time, drawn per message. */
  readonly jitter: number;
  /** The global stabilisation time: from then on no fault acts and nobody restarts. */
  readonly settledMs: number;
  /** Commands that clients hand to every correct validator. */
  readonly commands: number;
}

/** Indices of the validators that follow the rules. */
export function correctValidators(scenario: Scenario): number[] {
  const faulty = new Set(scenario.faulty.map(({ validator }) => validator));
  return scenario.powers.map((_, i) => i).filter((i) => !faulty.has(i));
}

/** Power of the faulty validators and of all. */
export function faultyPower(scenario: Scenario): { faulty: number; total: number } {
  const faulty = scenario.faulty.reduce(
    (sum, { validator }) => sum + (scenario.powers[validator] ?? 0),
    0,
  );
  return { faulty, total: scenario.powers.reduce((sum, power) => sum + power, 0) };
}

/** What strategies make of the payloads that a validator proposes. */
export function payloadFault(strategies: readonly Strategy[]): PayloadFault {
  if (strategies.some(({ kind }) => kind === "invalid-payload")) return "invalid-payload";
  return strategies.some(({ kind }) => kind === "censor") ? "censor" : undefined;
}
