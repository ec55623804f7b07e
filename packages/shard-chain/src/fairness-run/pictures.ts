import type { SeriesInput } from "@fmlab/experiment";
import { ATTACKS, type FairnessConfig } from "../definitions/fairness.ts";
import type { ProcessedPlace } from "../oracles/processing-order.ts";
import { type AttackedProtocol, successOf } from "./run.ts";

/** Attacks that a table shows of each run. */
const ROWS_A_RUN = 50;

/** Where an attack comes from, as told in legends and tables. */
const ATTACK_TITLES = { intra: "within the shard", cross: "across shards" } as const;

/** Share of the attacks that succeed. */
export function successBars(found: readonly AttackedProtocol[]): SeriesInput {
  return attackBars(found, "attacks that succeed", "%", ({ attacks }) => successOf([attacks]));
}

/** Inversions of the whole run. */
export function inversionBars(found: readonly AttackedProtocol[]): SeriesInput {
  return attackBars(found, "inversions", "", ({ fairnessInversions }) => fairnessInversions);
}

function attackBars(
  found: readonly AttackedProtocol[],
  valueLabel: string,
  valueUnit: string,
  measureOf: (one: AttackedProtocol) => number,
): SeriesInput {
  const protocols = [...new Set(found.map(({ protocol }) => protocol))];
  return {
    kind: "bars",
    categoryLabel: "protocol",
    categories: protocols,
    valueLabel,
    valueUnit,
    groups: ATTACKS.filter((attack) => found.some((one) => one.attack === attack)).map(
      (attack) => ({
        name: ATTACK_TITLES[attack],
        values: protocols.map((protocol) => {
          const one = found.find((run) => run.protocol === protocol && run.attack === attack);
          return one === undefined ? null : measureOf(one);
        }),
      }),
    ),
  };
}

/** Each attack: where both were processed, and whether it came first. */
export function attackTable(found: readonly AttackedProtocol[]): SeriesInput {
  return {
    kind: "table",
    columns: [
      { key: "protocol", title: "Protocol", type: "text" },
      { key: "attack", title: "Attack", type: "text" },
      { key: "victim", title: "Victim", type: "text" },
      { key: "victimAt", title: "Victim processed", type: "text" },
      { key: "attackAt", title: "Attack processed", type: "text" },
      { key: "first", title: "Executed first", type: "text" },
    ],
    rows: found.flatMap(({ protocol, attack, attacks }) =>
      attacks.slice(0, ROWS_A_RUN).map((one) => ({
        protocol,
        attack: ATTACK_TITLES[attack],
        victim: one.victim.slice(0, 12),
        victimAt: placeText(one.victimAt),
        attackAt: placeText(one.attackAt),
        first: one.succeeded ? "attack" : "victim",
      })),
    ),
  };
}

/** What the adversary can and cannot do. */
export function remarks({ carrierDelayMs }: FairnessConfig): SeriesInput {
  const lines = [
    "One validator of each committee is faulty. It follows the consensus, sees final blocks as " +
      "soon as anybody, and answers a call of the contract with one of its own, at a high fee.",
    `As a carrier of messages between chains it holds them back for ${carrierDelayMs} ms.`,
    "Transactions are processed where a block first takes them in: for AHL that is the reference " +
      "committee. Inversions count every pair of the run, not the attacks alone.",
    "Calls run a native stand-in on the contract's account; time and network are simulated.",
  ];
  return { kind: "text", blocks: [{ title: "The attacks", text: lines.join("\n") }] };
}

function placeText(place: ProcessedPlace | undefined): string {
  if (place === undefined) return "";
  const { timestampMs, shard, height, index } = place;
  return `${timestampMs.toFixed(0)} ms, chain ${shard}, block ${height}, place ${index}`;
}
