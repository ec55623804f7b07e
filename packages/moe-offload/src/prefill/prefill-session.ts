import { assert, ExperimentError } from "@fmlab/experiment";
import { openGguf } from "@fmlab/ggml";
import { describeModel } from "../model/description.ts";
import { expertLayout } from "../model/expert-layout.ts";
import type { BatchMixture } from "../precision/batch-mixture.ts";
import { openTwinsNear } from "../precision/open-twins-near.ts";
import { klDivergence } from "../quality/divergence.ts";
import { rowStatistics } from "../quality/log-softmax.ts";
import { LinkSchedule } from "../tiers/link-schedule.ts";
import { Tokenizer } from "../tokenizer/tokenizer.ts";
import type {
  PrefillCell,
  PrefillMessage,
  PrefillOptions,
  PrefillRecord,
  PrefillResult,
} from "./messages.ts";
import { makePrompts } from "./prompt-text.ts";
import { ResidentPrompt } from "./resident-prompt.ts";
import { STREAM_LANES } from "./stream-recorder.ts";
import { StreamSession } from "./stream-session.ts";
import { WavePrefill } from "./wave-prefill.ts";

/** Progress of making low-precision copies is told this often, in matrices. */
const TWINS_EVERY = 64;

/**
 * Evaluates prompts in waves under budgets and links, each next to the same prompt with all experts
 * resident. Synchronous; belongs on a compute thread.
 */
export class PrefillSession {
  readonly #options: PrefillOptions;
  readonly #cancelFlag: Int32Array;
  readonly #send: (message: PrefillMessage) => void;
  readonly #tokenizer: Tokenizer;
  #timeline: PrefillResult["timeline"] = { lanes: STREAM_LANES, events: [] };

  /** @throws GgufError | MoeError for a file that is no usable model */
  constructor(
    options: PrefillOptions,
    cancelFlag: Int32Array,
    send: (message: PrefillMessage) => void,
  ) {
    this.#options = options;
    this.#cancelFlag = cancelFlag;
    this.#send = send;
    const file = openGguf(options.modelPath);
    try {
      this.#tokenizer = new Tokenizer(file);
    } finally {
      file.close();
    }
  }

  /**
   * Runs every cell: prompt lengths by budgets by links.
   * @throws GgufError | MoeError | GgmlError | EngineError, ExperimentError `CANCELLED`
   */
  run(): PrefillResult {
    const { budgetsBytes, device, links, modelPath, promptTokens, threads } = this.#options;
    const tokensMax = Math.max(...promptTokens);
    this.#makeTwins();
    const resident = new ResidentPrompt({ modelPath, device, threads, tokensMax });
    try {
      let isFirst = true;
      for (const tokens of promptTokens) {
        for (const budgetBytes of budgetsBytes) {
          for (const link of links) {
            const cell = this.#runCell(resident, { promptTokens: tokens, budgetBytes, link });
            if (isFirst) this.#send({ type: "opened", facts: cell.facts });
            isFirst = false;
            this.#send({ type: "cell", cell });
          }
        }
      }
    } finally {
      resident.close();
    }
    return { timeline: this.#timeline };
  }

  /** Nothing of its own stays open. */
  close(): void {}

  /** Makes low-precision copies where there are none, so that no cell has to. */
  #makeTwins(): void {
    const { mixture, modelPath } = this.#options;
    if (!mixture) return;
    const file = openGguf(modelPath);
    try {
      const model = describeModel(file);
      const twins = openTwinsNear(
        {
          file,
          model,
          layout: expertLayout(file, model),
          kind: mixture.kind,
          onProgress: (done, total) => {
            if (done % TWINS_EVERY === 0) this.#send({ type: "twins", done, total });
          },
          throwIfCancelled: () => throwIfSet(this.#cancelFlag),
        },
        mixture.otherFolder,
      );
      twins.file.close();
    } finally {
      file.close();
    }
  }

  #runCell(
    resident: ResidentPrompt,
    cell: Pick<PrefillCell, "promptTokens" | "budgetBytes" | "link">,
  ): PrefillCell {
    const { device, host, mixture, modelPath, repeats, seed, text, threads } = this.#options;
    const session = new StreamSession({
      modelPath,
      budgetBytes: cell.budgetBytes,
      link: cell.link,
      device,
      host,
      threads,
      contextTokensMax: cell.promptTokens,
      batchTokensMax: cell.promptTokens,
      cancelFlag: this.#cancelFlag,
      mixture,
    });
    let waves: WavePrefill | undefined;
    try {
      const { machine, nowMs, recorder, stream } = session;
      waves = new WavePrefill(machine, stream, { nowMs, mixture: session.mixture });
      waves.onSegment = (startMs, endMs, { layer }) => recorder.onSegment(startMs, endMs, layer);
      waves.waves.onWave = recorder.onWave;
      const prompts = makePrompts(this.#tokenizer, repeats + 1, cell.promptTokens, {
        text,
        seed,
      });
      const records: PrefillRecord[] = [];
      for (const [index, prompt] of prompts.entries()) {
        session.throwIfCancelled();
        recorder.recordsTimeline = index === prompts.length - 1;
        if (recorder.recordsTimeline) recorder.events.length = 0;
        const record = evaluatePrompt(session, waves, resident, prompt);
        // The first one warms caches and is not counted.
        if (index > 0) records.push(record);
      }
      this.#timeline = { lanes: STREAM_LANES, events: recorder.events };
      return { ...cell, facts: session.facts, prompts: records };
    } finally {
      waves?.close();
      session.close();
    }
  }
}

/** One prompt, resident and in waves. */
export function evaluatePrompt(
  session: StreamSession,
  waves: WavePrefill,
  resident: ResidentPrompt,
  prompt: readonly number[],
): PrefillRecord {
  const { layout, machine, mixture, nowMs, recorder, stream } = session;
  const residentStartMs = nowMs();
  let expected = resident.evaluate(prompt);
  const residentMs = nowMs() - residentStartMs;
  if (!machine.device.isHost) expected = resident.expect(prompt);

  const needed = new Set<number>();
  const there = new Set(stream.settle().map(({ key }) => key));
  recorder.take();
  const usesBefore = { uses: 0, low: 0, ...mixture?.counts };
  const startMs = nowMs();
  machine.context.enter(prompt, 0, prompt.length, 0);
  const logits = waves.evaluate({
    tokenCount: prompt.length,
    position: 0,
    wantsLogits: true,
    onRouting: (layer, chosen) => {
      for (const expert of chosen) needed.add(layer * layout.expertCount + expert);
    },
  });
  const wavesMs = nowMs() - startMs;

  const link = new LinkSchedule(session.link);
  let missedBytes = 0;
  let linkMs = 0;
  for (const full of needed) {
    const [layer, expert] = [Math.floor(full / layout.expertCount), full % layout.expertCount];
    const key = mixture?.keyOf(layer, expert) ?? full;
    if (there.has(key)) continue;
    const expertBytes = session.expertBytes(key);
    missedBytes += expertBytes;
    linkMs += link.durationMs(expertBytes);
  }
  return {
    residentMs,
    wavesMs,
    times: recorder.take(),
    neededExperts: needed.size,
    missedBytes,
    boundMs: Math.max(residentMs, linkMs),
    isSame: logits.every((value, token) => Object.is(value, expected[token])),
    ...divergenceOf(expected, logits),
    lowShare: mixture ? lowShare(usesBefore, mixture.counts) : 0,
  };
}

function divergenceOf(full: Float32Array, lossy: Float32Array) {
  const [p, q] = [full, lossy].map((logits) => ({ logits, first: 0, count: logits.length }));
  assert(p !== undefined && q !== undefined, "two rows are compared");
  const [ofP, ofQ] = [rowStatistics(p), rowStatistics(q)];
  return { kl: klDivergence(p, ofP, q, ofQ), isAgreed: ofP.argmax === ofQ.argmax };
}

/** What was computed in low precision of the uses between two counts. */
function lowShare(before: BatchMixture["counts"], after: BatchMixture["counts"]): number {
  return (after.low - before.low) / Math.max(1, after.uses - before.uses);
}

function throwIfSet(cancelFlag: Int32Array): void {
  if (Atomics.load(cancelFlag, 0) === 0) return;
  throw new ExperimentError("the run was cancelled", { code: "CANCELLED" });
}
