import type { DeviceName } from "../engine/device/device-names.ts";
import { StreamSession } from "../prefill/stream-session.ts";
import { FREE_LINK } from "../tiers/link-schedule.ts";
import { CorrelationTable } from "./correlation-table.ts";
import { GroupEngine } from "./group-engine.ts";
import type { DifferenceRecord } from "./messages.ts";
import { SCHEDULES } from "./schedules.ts";
import { compareLogits } from "./shape-difference.ts";

/** What one-by-one generation needs to know. */
export interface OneByOneOptions {
  readonly modelPath: string;
  readonly device?: DeviceName | undefined;
  readonly threads: number;
  readonly promptTokensMax: number;
  readonly contextTokensMax: number;
  readonly cancelFlag: Int32Array;
}

/**
 * Generates one sequence at a time with memory for every expert: what batches are compared with.
 * Its logits are the engine's to the bit; those of batches differ in the last bits, since dense
 * products of several rows add up in another order.
 */
export class OneByOne {
  readonly #session: StreamSession;
  readonly #engine: GroupEngine;

  /** @throws as `StreamSession` */
  constructor(options: OneByOneOptions) {
    const { promptTokensMax, contextTokensMax } = options;
    const session = new StreamSession({
      ...options,
      budgetBytes: Number.MAX_SAFE_INTEGER,
      link: FREE_LINK,
      contextTokensMax: promptTokensMax,
      batchTokensMax: promptTokensMax,
    });
    this.#session = session;
    try {
      this.#engine = new GroupEngine({
        machine: session.machine,
        stream: session.stream,
        table: new CorrelationTable(session.machine.model),
        schedule: SCHEDULES.aggressive,
        sequencesPerBatch: 1,
        batchCount: 1,
        promptTokensMax,
        contextTokensMax,
        hotCount: session.machine.model.expertUsedCount,
        nowMs: session.nowMs,
      });
    } catch (error) {
      session.close();
      throw error;
    }
  }

  /**
   * Evaluates the same tokens one by one and compares the logits at every position.
   *
   * @param prompts     by sequence
   * @param continued   tokens that were chosen, by sequence
   * @param logits      by sequence and step; sequences without any are left out
   * @param nearTieGap  differing choices whose best two logits are closer are near ties
   * @param onSequence  called before each sequence; may throw to stop
   */
  compare(
    prompts: readonly number[][],
    continued: readonly number[][],
    logits: readonly (readonly Float32Array[])[],
    nearTieGap: number,
    onSequence: () => void,
  ): DifferenceRecord {
    const record: DifferenceRecord = {
      sequences: 0,
      positions: 0,
      klMean: 0,
      klMax: 0,
      sameChoices: 0,
      nearTies: [],
      otherDifferences: [],
    };
    let klSum = 0;
    logits.forEach((rows, sequence) => {
      onSequence();
      const onLogits = (_: number, step: number, reference: Float32Array) => {
        const other = rows[step];
        if (!other) return;
        const { kl, gap, ...tokens } = compareLogits(reference, other);
        klSum += kl;
        record.positions++;
        record.klMax = Math.max(record.klMax, kl);
        if (tokens.referenceToken === tokens.otherToken) record.sameChoices++;
        else {
          const list = gap < nearTieGap ? record.nearTies : record.otherDifferences;
          list.push({ sequence, step, gap, ...tokens });
        }
      };
      const tokens = continued[sequence] ?? [];
      this.#engine.prefill([prompts[sequence] ?? []], onLogits);
      for (let step = 1; step < rows.length; step++) {
        this.#engine.step(onLogits, [tokens[step - 1] ?? 0]);
      }
      record.sequences++;
    });
    record.klMean = klSum / Math.max(1, record.positions);
    return record;
  }

  /** Frees memory, threads and file handles. */
  close(): void {
    this.#engine.close();
    this.#session.close();
  }
}
