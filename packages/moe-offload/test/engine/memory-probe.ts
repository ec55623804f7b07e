/**
 * Prints the growth of this process's memory in MiB over many tokens in successive contexts. Run by
 * the test beside it in a process of its own: `memory-probe.ts <tokens> <keep|leak>`.
 */
import { measureGrowth } from "../../bench/resident-memory.ts";
import { openEngine } from "./open.ts";

const [tokens = "0", mode = "keep"] = process.argv.slice(2);
const engine = openEngine();
const kept: ArrayBuffer[] = [];

function decodeContexts(count: number): void {
  for (let done = 0; done < count; ) {
    engine.reset();
    engine.prefill([1, 2, 3, 4, 5, 6, 7, 8]);
    for (done += 8; engine.position < engine.contextLength && done < count; done++) {
      engine.decode((done * 131) % engine.vocabularySize);
      // What a leak of 32 KiB a token looks like, to show that this probe sees one.
      if (mode === "leak") kept.push(new Uint8Array(32_768).fill(1).buffer);
    }
  }
}

decodeContexts(1_500);
kept.length = 0;
const { growthMiB } = measureGrowth(() => decodeContexts(Number(tokens)));
process.stdout.write(`${JSON.stringify({ growthMiB, kept: kept.length })}\n`);
engine.close();
