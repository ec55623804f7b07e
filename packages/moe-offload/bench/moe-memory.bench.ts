/**
 * Resident memory over many tokens in successive contexts, all experts resident and with a quarter
 * of them: it must stay flat. Prompts are evaluated as batches where that is possible, since their
 * graphs are built anew each time.
 *
 * `npm run bench -- moe-memory [--json] [--tokens N]`
 */
import { parseArgs } from "node:util";
import type { GgufFile } from "@fmlab/ggml";
import { MoeEngine } from "../src/engine/engine.ts";
import { lruSource } from "../test/engine/sources.ts";
import { openBenchModel, openResident } from "./model.ts";
import { describeMachine, formatTable } from "./paired.ts";
import { type MemoryGrowth, measureGrowth } from "./resident-memory.ts";

/** Growth that counts as flat: what allocator and collector move by themselves; chosen. */
const FLAT_MIB_MAX = 8;
const PROMPT_TOKENS = 64;
const WARM_UP_TOKENS = 2_000;

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    tokens: { type: "string", default: "10000" },
  },
});

function decodeContexts(engine: MoeEngine, tokens: number): void {
  const prompt = Array.from({ length: PROMPT_TOKENS }, (_, i) => (i * 37) % engine.vocabularySize);
  for (let done = 0; done < tokens; ) {
    engine.reset();
    engine.prefill(prompt);
    done += prompt.length;
    for (; engine.position < engine.contextLength && done < tokens; done++) {
      engine.decode((done * 131) % engine.vocabularySize);
    }
  }
}

function growthOf(engine: MoeEngine): MemoryGrowth {
  decodeContexts(engine, WARM_UP_TOKENS);
  const growth = measureGrowth(() => decodeContexts(engine, Number(values.tokens)));
  engine.close();
  return growth;
}

function openQuarter(file: GgufFile, slotsOfAll: number): MoeEngine {
  const source = lruSource(file, { hits: 0, misses: 0 });
  return MoeEngine.open(file, { slotCount: slotsOfAll / 4, threads: 1 }, source);
}

const file = openBenchModel();
const resident = openResident(file, { threads: 1 });
const { layerCount, expertCount } = resident.shape;
const rows = [
  { name: "all resident", ...growthOf(resident) },
  { name: "a quarter, LRU", ...growthOf(openQuarter(file, layerCount * expertCount)) },
];
file.close();
const worst = Math.max(...rows.map((row) => row.growthMiB));
if (values.json) {
  const line = {
    name: "moe-memory",
    unit: "MiB",
    ours: worst,
    peer: FLAT_MIB_MAX,
    ratio: worst / FLAT_MIB_MAX,
    tokens: Number(values.tokens),
    rows,
    machine: describeMachine(),
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
} else {
  const table = [
    ["experts", "before MiB", "after MiB", "growth MiB"],
    ...rows.map((row) => [
      row.name,
      row.startMiB.toFixed(1),
      row.endMiB.toFixed(1),
      row.growthMiB.toFixed(2),
    ]),
  ];
  process.stdout.write(
    `moe-memory, ${values.tokens} tokens in successive contexts; flat means at most ` +
      `${FLAT_MIB_MAX} MiB\n\n${formatTable(table)}\n`,
  );
}
