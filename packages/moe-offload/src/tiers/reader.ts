import { ExpertFiles } from "./expert-files.ts";
import { writeFailure } from "./lane-failure.ts";
import { CONTROL, type ReaderInput } from "./lane-memory.ts";
import { ReaderHost } from "./reader-host.ts";
import { ReaderSignals, wakeWaiting } from "./reader-signals.ts";
import { openSlots, type SlotTarget } from "./slot-target.ts";
import { TransferLoop } from "./transfer-loop.ts";
import { WindowLoop } from "./window-loop.ts";

/**
 * The life of a reading thread: opens the files, helps to preload host memory, serves until it is
 * told to leave or fails, lets go of everything and says so. Never throws.
 */
export function runReader(input: ReaderInput): void {
  const { memory } = input;
  let files: ExpertFiles | undefined;
  let slots: SlotTarget | undefined;
  let host: ReaderHost | undefined;
  try {
    const signals = new ReaderSignals(input);
    files = new ExpertFiles(input.table, input.preferred, input.places);
    if (files.mode === "buffered") Atomics.store(memory.control, CONTROL.isBuffered, 1);
    host = input.host && new ReaderHost(input, input.host, files, signals);
    host?.preload();
    if (input.role === "window" && host) {
      announce(memory.control, CONTROL.opened);
      new WindowLoop(input, host, files, signals).run();
    } else {
      slots = openSlots(input.slots);
      announce(memory.control, CONTROL.opened);
      new TransferLoop(input, slots, files, host, signals).run();
    }
  } catch (error) {
    writeFailure(memory, error);
  } finally {
    slots?.release();
    host?.release();
    files?.close();
    // Whoever waits for this thread, in whatever way, is to look again.
    Atomics.notify(memory.control, CONTROL.opened);
    wakeWaiting(memory);
    announce(memory.control, CONTROL.gone);
  }
}

function announce(control: Int32Array, entry: number): void {
  Atomics.add(control, entry, 1);
  Atomics.notify(control, entry);
}
