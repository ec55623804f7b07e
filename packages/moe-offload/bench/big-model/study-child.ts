/**
 * A process of its own that opens the generated model with every expert in memory: it calibrates it
 * on a text and records how it routes on others.
 */
import { openGguf } from "@fmlab/ggml";
import { calibrationPath, writeCalibration } from "../../src/calibration/calibration-file.ts";
import { modelIdentity } from "../../src/precision/model-identity.ts";
import { describeLikeness, type Likeness, recordTrace } from "./likeness.ts";
import { calibrationOf, layoutOf, openAllResident } from "./open-models.ts";

/** What to do. */
export interface StudyJob {
  readonly modelPath: string;
  /** Of the same language as the texts that are raced on, but none of them. */
  readonly calibrationText: readonly number[];
  readonly threads: number;
  /** Texts, one context each. */
  readonly sequences: readonly (readonly number[])[];
}

/** What was found. */
export interface Study {
  readonly likeness: Likeness;
  readonly calibration: { tokens: number };
  /** Milliseconds a token takes with every expert in memory. */
  readonly residentMs: number;
  readonly logits: { lowest: number; highest: number; isFinite: boolean };
}

function study({ calibrationText, modelPath, sequences, threads }: StudyJob): Study {
  const file = openGguf(modelPath);
  const layout = layoutOf(file);
  const contextLength = Math.max(...sequences.map((one) => one.length));
  const learned = calibrationOf(file, layout, {
    tokens: calibrationText.length,
    text: calibrationText,
    threads,
    contextLength,
  });
  // Where the racing processes look for it.
  writeCalibration(calibrationPath(modelPath), learned.calibration, modelIdentity(file));
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
  const { calibration } = learned;
  return {
    likeness: describeLikeness(trace),
    calibration: { tokens: calibration.tokenCount },
    residentMs,
    logits,
  };
}

const job = JSON.parse(process.argv[2] ?? "{}") as StudyJob;
process.stdout.write(`${JSON.stringify(study(job))}\n`);
