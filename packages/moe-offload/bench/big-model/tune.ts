/**
 * Finds the dials of `design.ts`: generates models that differ from the big one only in the inner
 * sizes of their experts, decodes a text with each, and prints how far LRU's miss curve is from the
 * shipped model's. What the big file gives is measured and printed by `moe-mmap` again.
 *
 *     node --import tsx bench/big-model/tune.ts '{"common":[0.1,0.2],"topic":[0.2,0.3]}'
 */
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { openGguf } from "@fmlab/ggml";
import { createPrng } from "@fmlab/sim";
import { mean } from "@fmlab/stats";
import { DIALS, QWEN15_MOE, type RoutingDials } from "./design.ts";
import {
  describeLikeness,
  differenceOf,
  type Likeness,
  recordTrace,
  shippedLikeness,
} from "./likeness.ts";
import { layoutOf, openAllResident } from "./open-models.ts";
import { Language } from "./text.ts";
import { obtainModel, removeModel } from "./write-model.ts";

const SEED = 7;
const CONTEXTS = 2;
const CONTEXT_TOKENS = 512;
/** The experts' inner sizes change the noise that they add little: their outputs are random. */
const SHAPE = { ...QWEN15_MOE, inner: 64, sharedInner: 256 };

const folder = mkdtempSync(path.join(os.tmpdir(), "fmlab-tune-"));
try {
  const target = shippedLikeness();
  print("shipped", 0, target);
  const grid = JSON.parse(process.argv[2] ?? "{}") as Record<string, number[]>;
  for (const dials of combinations(grid)) {
    const likeness = measure({ ...DIALS, ...dials });
    print(JSON.stringify(dials), differenceOf(likeness, target), likeness);
  }
} finally {
  rmSync(folder, { recursive: true });
}

function combinations(grid: Record<string, number[]>): Partial<RoutingDials>[] {
  return Object.entries(grid).reduce<Record<string, number>[]>(
    (all, [dial, values]) =>
      all.flatMap((one) => values.map((value) => ({ ...one, [dial]: value }))),
    [{}],
  );
}

function measure(dials: RoutingDials): Likeness {
  const recipe = { shape: SHAPE, dials, seed: SEED };
  const file = openGguf(obtainModel(folder, recipe).path);
  const options = { threads: 1, contextLength: CONTEXT_TOKENS, aheadDepth: 1 };
  const model = openAllResident(file, layoutOf(file), options);
  const language = new Language(dials, SHAPE.vocabulary);
  const prng = createPrng(SEED, "text");
  const texts = Array.from({ length: CONTEXTS }, (_, i) =>
    language.write(prng.fork(i), CONTEXT_TOKENS),
  );
  const likeness = describeLikeness(recordTrace(model.engine, "tune", texts));
  model.close();
  file.close();
  removeModel(folder, recipe);
  return likeness;
}

function print(name: string, difference: number, likeness: Likeness): void {
  const { crossLayer, entropy, lruMiss, previousReuse } = likeness;
  const numbers = (values: readonly number[]) => values.map((one) => one.toFixed(2)).join(" ");
  process.stdout.write(
    `${difference.toFixed(3)}  ${name}: LRU misses ${numbers(lruMiss)}, entropy ` +
      `${numbers(entropy)}, mean ${mean(entropy).toFixed(3)}, previous token's ` +
      `${previousReuse.toFixed(2)}, cross-layer ${crossLayer.toFixed(2)}\n`,
  );
}
