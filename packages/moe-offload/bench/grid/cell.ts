import type { GgufFile } from "@fmlab/ggml";
import type { Prng } from "@fmlab/sim";
import type { Calibration } from "../../src/calibration/calibration.ts";
import type { ExpertLayout } from "../../src/model/expert-layout.ts";
import { OffloadedModel } from "../../src/offload/offloaded-model.ts";
import type { Strategy } from "../../src/offload/strategies.ts";
import { FREE_LINK, type LinkOptions } from "../../src/tiers/link-schedule.ts";
import { MonotonicClock } from "../../src/tiers/monotonic-clock.ts";
import { contextsOf, type Workload } from "./workloads.ts";

/** What is the same for all cells. */
export interface GridModel {
  readonly file: GgufFile;
  readonly layout: ExpertLayout;
  readonly calibration: Calibration;
  readonly contextLength: number;
  /** Bytes of all routed experts. */
  readonly totalBytes: number;
}

/** One cell of the grid. */
export interface Cell {
  readonly workload: Workload;
  /** Share of all experts that fast memory holds. */
  readonly share: number;
  readonly link: LinkOptions;
}

/** What one strategy did in one cell; round 0 warms up and is left out. */
export interface Measured {
  readonly name: string;
  /** By round. */
  readonly tokensPerSecond: readonly number[];
  readonly hitRate: number;
  readonly lateHitRate: number;
  readonly bytesPerToken: number;
  readonly stallMsPerToken: number;
}

interface Contender {
  readonly name: string;
  readonly model: OffloadedModel;
  readonly tokensPerSecond: number[];
  before: { uses: number; hits: number; lateHits: number; stallMs: number; bytes: number };
}

/**
 * Lets strategies compute the same tokens over the same link, one round each in a random order,
 * experts coming from host memory. Logits of each round's last token must agree to the bit.
 */
export function measureCell(
  grid: GridModel,
  cell: Cell,
  strategies: ReadonlyMap<string, Strategy>,
  prng: Prng,
): Measured[] {
  const contenders = [...strategies].map(([name, strategy]): Contender => {
    const model = open(grid, cell, strategy);
    return { name, model, tokensPerSecond: [], before: countsOf(model) };
  });
  try {
    cell.workload.rounds.forEach((tokens, round) => {
      if (round === 1) for (const one of contenders) one.before = countsOf(one.model);
      const seconds = measureRound(contenders, tokens, prng);
      if (round === 0) return;
      for (const one of contenders) {
        one.tokensPerSecond.push(tokens.length / (seconds.get(one.name) ?? Number.NaN));
      }
    });
    const counted = cell.workload.rounds.slice(1).reduce((sum, round) => sum + round.length, 0);
    return contenders.map((contender) => summarise(contender, counted));
  } finally {
    for (const { model } of contenders) model.close();
  }
}

/**
 * Tokens that one contender computes before the next one's turn: the machine's speed drifts within
 * seconds, and what is compared should lie close together.
 */
const TURN_TOKENS = 96;

/** Seconds that each contender took for the round's tokens. */
function measureRound(
  contenders: readonly Contender[],
  tokens: Int32Array,
  prng: Prng,
): Map<string, number> {
  const seconds = new Map(contenders.map(({ name }) => [name, 0]));
  for (const context of contextsOf(tokens)) {
    for (let from = 0; from < context.length; from += TURN_TOKENS) {
      const turn = context.subarray(from, from + TURN_TOKENS);
      const last = new Map<string, Float32Array>();
      for (const { model, name } of prng.shuffle(contenders)) {
        const { engine } = model;
        const startMs = performance.now();
        if (from === 0) engine.reset();
        let logits = new Float32Array(0) as Float32Array;
        for (const token of turn) logits = engine.decode(token);
        seconds.set(name, (seconds.get(name) ?? 0) + (performance.now() - startMs) / 1e3);
        last.set(name, logits.slice());
      }
      requireSame(last);
    }
  }
  return seconds;
}

function open(grid: GridModel, { link, share }: Cell, strategy: Strategy): OffloadedModel {
  const isResident = strategy.policy === "all-resident";
  return OffloadedModel.open(grid.file, grid.layout, {
    strategy,
    budgetBytes: isResident ? grid.totalBytes : Math.floor(grid.totalBytes * share),
    host: { budgetBytes: isResident ? 0 : 2 * grid.totalBytes, mode: "pinned", preload: true },
    link,
    disk: FREE_LINK,
    threads: 1,
    contextLength: grid.contextLength,
    calibration: grid.calibration,
    clock: new MonotonicClock(),
    cancelFlag: new Int32Array(new SharedArrayBuffer(4)),
  });
}

function countsOf({ lane, scheduler }: OffloadedModel) {
  const { hits, lateHits, stallMs, uses } = scheduler.counts;
  return { uses, hits, lateHits, stallMs, bytes: lane?.counts().deliveredBytes ?? 0 };
}

function summarise({ before, model, name, tokensPerSecond }: Contender, tokens: number): Measured {
  const now = countsOf(model);
  const uses = Math.max(1, now.uses - before.uses);
  return {
    name,
    tokensPerSecond,
    hitRate: (now.hits - before.hits) / uses,
    lateHitRate: (now.lateHits - before.lateHits) / uses,
    bytesPerToken: (now.bytes - before.bytes) / tokens,
    stallMsPerToken: (now.stallMs - before.stallMs) / tokens,
  };
}

function requireSame(logits: ReadonlyMap<string, Float32Array>): void {
  const [first, ...others] = [...logits];
  for (const [name, values] of others) {
    const isSame = values.every((value, i) => Object.is(value, first?.[1][i]));
    if (!isSame) throw new Error(`${name} computed other logits than ${first?.[0]}`);
  }
}
