import type { ActivationMemory } from "./activation-memory.ts";
import type { BatchMachine } from "./batch-machine.ts";
import { CardWaves } from "./device/card-waves.ts";
import type { ExpertStream } from "./expert-stream.ts";
import { HostWaves, type WaveComputer } from "./wave-computer.ts";
import {
  type ExpertWork,
  type Finish,
  type KeyOf,
  WaveLoop,
  type WaveOrder,
  type WaveRunner,
} from "./wave-loop.ts";

/** Told of each wave: when it was computed, of which layer, how many experts and rows it had. */
export type OnWave = (
  startMs: number,
  endMs: number,
  wave: { layer: number; experts: number; rows: number },
) => void;

/** Computes the experts of a layer in waves on the slots, into an activation memory. */
export class WaveExecutor implements WaveRunner {
  onWave: OnWave | undefined;
  readonly #computer: WaveComputer;
  readonly #loop: WaveLoop;
  readonly #nowMs: () => number;
  /** When the wave before had ended: on a card waves are begun while others compute. */
  #endedMs = 0;

  /** @param keyOf  tells experts from their twins; default: all are computed in full */
  constructor(
    machine: BatchMachine,
    memory: ActivationMemory,
    stream: ExpertStream,
    nowMs: () => number,
    keyOf?: KeyOf,
  ) {
    this.#nowMs = nowMs;
    const { expertCount } = machine.model;
    const key = keyOf ?? ((layer: number, expert: number) => layer * expertCount + expert);
    const parts = { machine, memory, stream, keyOf: key };
    this.#computer = machine.device.isHost ? new HostWaves(parts) : new CardWaves(parts);
    this.#loop = new WaveLoop(stream, key, (layer, ready) => this.#begin(layer, ready));
  }

  /** On a card the last waves of order "arrival" may still be computed after it: see `settle`. */
  run(layer: number, work: readonly ExpertWork[], order: WaveOrder): void {
    this.settle();
    this.#computer.enter(work);
    this.#loop.run(layer, work, order);
    this.#computer.leave();
  }

  /** Waits for the waves that are still computed, and gives their experts up. */
  settle(): void {
    this.#loop.settle();
  }

  /** A pass has failed: nobody needs the waves that are still computed. */
  abandon(): void {
    this.#computer.synchronize();
    this.#loop.abandon();
  }

  /** Frees the graphs. */
  close(): void {
    this.#computer.close();
  }

  #begin(layer: number, ready: readonly ExpertWork[]): Finish | undefined {
    const begunMs = this.#nowMs();
    const finish = this.#computer.begin(layer, ready);
    if (!finish) {
      this.#tell(begunMs, layer, ready);
      return undefined;
    }
    return () => {
      finish();
      this.#tell(Math.max(begunMs, this.#endedMs), layer, ready);
    };
  }

  #tell(startMs: number, layer: number, ready: readonly ExpertWork[]): void {
    const rows = ready.reduce((sum, one) => sum + one.rows.length, 0);
    this.#endedMs = this.#nowMs();
    if (rows === 0) return;
    this.onWave?.(startMs, this.#endedMs, { layer, experts: ready.length, rows });
  }
}
