import type { Transaction } from "../ledger/transaction.ts";
import type { ProcessedPlace } from "../oracles/processing-order.ts";
import type { Recorder } from "../protocol/recorder.ts";
import type { Batch } from "./batch.ts";

/** A recorder that also hears where execution stands. */
export interface BlockRecorder extends Recorder {
  /** The next thing told follows from a message of a batch. */
  enterMessage(batch: Batch, index: number): void;
  /** The next thing told follows from a client's transaction. */
  enterTransaction(transaction: Transaction, place: ProcessedPlace): void;
  /** The transaction was admitted: its fee is gone. */
  admitted(transaction: Transaction): void;
}

/** For executions that repeat what was recorded before. */
export const SILENT: BlockRecorder = {
  begin: () => undefined,
  read: () => undefined,
  write: () => undefined,
  undo: () => undefined,
  move: () => undefined,
  settle: () => undefined,
  decide: () => undefined,
  waits: () => undefined,
  goesOn: () => undefined,
  retry: () => undefined,
  enterMessage: () => undefined,
  enterTransaction: () => undefined,
  admitted: () => undefined,
};
