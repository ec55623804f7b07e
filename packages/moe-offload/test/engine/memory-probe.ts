/**
 * Prints the growth of this process's memory in MiB over many tokens in successive contexts, as the
 * engine is (`flatMiB`) and with a leak put in (`leakMiB`). Run by the test beside it in a process
 * of its own: `memory-probe.ts <tokens>`.
 */
import { measureGrowth } from "../../bench/resident-memory.ts";
import { openEngine } from "./open.ts";

const WARM_UP_TOKENS = 1_000;
const tokens = Number(process.argv[2]);
const engine = openEngine();
const kept: ArrayBuffer[] = [];

function decodeContexts(count: number, isLeaking: boolean): void {
  for (let done = 0; done < count; ) {
    engine.reset();
    engine.prefill([1, 2, 3, 4, 5, 6, 7, 8]);
    for (done += 8; engine.position < engine.contextLength && done < count; done++) {
      engine.decode((done * 131) % engine.vocabularySize);
      // What a leak of 32 KiB a token looks like, to show that this probe sees one.
      if (isLeaking) kept.push(new Uint8Array(32_768).fill(1).buffer);
    }
  }
}

decodeContexts(WARM_UP_TOKENS, false);
const flat = measureGrowth(() => decodeContexts(tokens, false));
const leak = measureGrowth(() => decodeContexts(tokens, true));
const result = { flatMiB: flat.growthMiB, leakMiB: leak.growthMiB, kept: kept.length };
process.stdout.write(`${JSON.stringify(result)}\n`);
engine.close();
