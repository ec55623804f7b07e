import os from "node:os";
import { createPrng } from "@fmlab/sim";
import { type BootstrapInterval, bootstrapCi, median } from "@fmlab/stats";

/** One thing that is timed; `run` does one block of work, called once per round. */
export interface Contender {
  readonly name: string;
  run(round: number): void | Promise<void>;
}

/** What a contender reached over all rounds. */
export interface PairedResult {
  readonly name: string;
  /** Median over rounds, units of work per second. */
  readonly perSecond: number;
  /** Median over rounds of first contender / this one, with its 95 % bootstrap interval. */
  readonly ratio: BootstrapInterval;
}

/**
 * Times contenders in rounds, in a new random order each round, in this process. The speed of a
 * shared machine drifts by half within minutes, so only ratios within a round are compared.
 *
 * @param work  units of work in one block
 */
export async function runPaired(
  contenders: readonly Contender[],
  options: { rounds: number; work: number; seed: number },
): Promise<PairedResult[]> {
  const prng = createPrng(options.seed, "order");
  const speeds = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < options.rounds + WARM_UP_ROUNDS; round++) {
    for (const contender of prng.shuffle(contenders)) {
      const start = performance.now();
      await contender.run(round);
      const seconds = (performance.now() - start) / 1000;
      if (round >= WARM_UP_ROUNDS) speeds.get(contender.name)?.push(options.work / seconds);
    }
  }
  const first = speeds.get(contenders[0]?.name ?? "") ?? [];
  return contenders.map(({ name }) => {
    const own = speeds.get(name) ?? [];
    const ratios = own.map((speed, round) => (first[round] ?? 0) / speed);
    const ratio = bootstrapCi(ratios, prng.fork("bootstrap"), {
      statistic: median,
      resamples: 2_000,
    });
    return { name, perSecond: median(own), ratio };
  });
}

/** Rounds that warm caches and compilers and are not counted; chosen. */
const WARM_UP_ROUNDS = 3;

/** Where and when a benchmark ran. */
export function describeMachine() {
  return {
    processor: os.cpus()[0]?.model.trim() ?? "unknown",
    cores: os.availableParallelism(),
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
  };
}

/** A table with columns as wide as their widest cell; numbers to the right. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? "").length)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
        .join("  "),
    )
    .join("\n");
}
