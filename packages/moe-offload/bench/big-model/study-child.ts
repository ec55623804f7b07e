/**
 * A process of its own that opens the generated model with every expert in memory: it calibrates it
 * on the text that it writes, and records how it routes on texts.
 */
import { openGguf } from "@fmlab/ggml";
import { describeLikeness, type Likeness, recordTrace } from "./likeness.ts";
import { calibrationOf, layoutOf, openAllResident } from "./open-models.ts";

/** What to do. */
export interface StudyJob {
  readonly modelPath: string;
  readonly calibrationTokens: number;
  readonly threads: number;
  /** Texts, one context each. */
  readonly sequences: readonly (readonly number[])[];
}

/** What was found. */
export interface Study {
  readonly likeness: Likeness;
  readonly calibration: { origin: "file" | "made"; tokens: number };
  /** Milliseconds a token takes with every expert in memory. */
  readonly residentMs: number;
  readonly logits: { lowest: number; highest: number; isFinite: boolean };
}

function study({ calibrationTokens, modelPath, sequences, threads }: StudyJob): Study {
  const file = openGguf(modelPath);
  const layout = layoutOf(file);
  const contextLength = Math.max(...sequences.map((one) => one.length));
  const learned = calibrationOf(file, layout, {
    tokens: calibrationTokens,
    threads,
    contextLength,
  });
  const model = openAllResident(file, layout, { threads, contextLength, aheadDepth: 1 });
  const { engine } = model;
  const logits = { lowest: Infinity, highest: -Infinity, isFinite: true };
  for (const logit of engine.decode(sequences[0]?.[0] ?? 0)) {
    logits.lowest = Math.min(logits.lowest, logit);
    logits.highest = Math.max(logits.highest, logit);
    if (!Number.isFinite(logit)) logits.isFinite = false;
  }
  const startMs = performance.now();
  const texts = sequences.map((one) => Int32Array.from(one));
  const trace = recordTrace(engine, "topics by a Markov chain, words by Zipf's law", texts);
  const residentMs = (performance.now() - startMs) / trace.tokenCount;
  model.close();
  file.close();
  const { origin, calibration } = learned;
  return {
    likeness: describeLikeness(trace),
    calibration: { origin, tokens: calibration.tokenCount },
    residentMs,
    logits,
  };
}

const job = JSON.parse(process.argv[2] ?? "{}") as StudyJob;
process.stdout.write(`${JSON.stringify(study(job))}\n`);
