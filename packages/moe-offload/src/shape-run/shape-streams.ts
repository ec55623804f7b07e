import { GgmlLibrary, type GgufFile } from "@fmlab/ggml";
import type { DeviceName } from "../engine/device/device-names.ts";
import { findDevice } from "../engine/device/find-device.ts";
import type { ExpertLayout } from "../model/expert-layout.ts";
import { SlotStream } from "../prefill/slot-stream.ts";
import { openStreamMachine, type StreamMachine } from "../prefill/stream-machine.ts";
import { StreamRecorder } from "../prefill/stream-recorder.ts";
import { StreamWindow } from "../prefill/stream-window.ts";
import { contentsOf } from "../tiers/expert-contents.ts";
import { expertTable } from "../tiers/expert-table.ts";
import { HostTier } from "../tiers/host-tier.ts";
import { laneSlots } from "../tiers/lane-slots.ts";
import { FREE_LINK } from "../tiers/link-schedule.ts";
import { TransferLane } from "../tiers/transfer-lane.ts";

/** How a shape is opened for whole batches. */
export interface ShapeStreamsOptions {
  /** A shape; closed with the streams. */
  readonly file: GgufFile;
  readonly device: DeviceName;
  /** Memory for experts beside the computing, given what one of them takes. */
  readonly slotsOf: (layout: ExpertLayout) => number;
  readonly threads: number;
  readonly promptTokens: number;
  /** From host memory to slots, MB/s; 0: as fast as the machine is. */
  readonly linkMBps: number;
  /** Shared memory of one entry; nonzero ends all waiting. */
  readonly cancelFlag: Int32Array;
}

/** Copies that a link is measured over, and those before that are not counted. */
const COPIES = 48;
const WARMUP = 4;

/**
 * A shape opened for whole batches: dense weights and slots where it is computed, every expert in
 * host memory, which a card copies from directly, a lane that copies while this thread computes,
 * and the stream that decides what.
 */
export class ShapeStreams {
  readonly machine: StreamMachine["machine"];
  readonly layout: ExpertLayout;
  readonly lane: TransferLane;
  readonly recorder: StreamRecorder;
  readonly #owned: { close(): void }[] = [];
  #stream: SlotStream;

  /** @throws MoeError, EngineError, GgmlError for what does not fit */
  constructor(options: ShapeStreamsOptions) {
    const { cancelFlag, device, file, promptTokens, slotsOf, threads } = options;
    this.#owned.push(file);
    try {
      const opened = openStreamMachine(file, {
        slotsOf,
        device,
        threads,
        contextLength: promptTokens,
        batchTokens: promptTokens,
      });
      this.#owned.push(opened);
      this.machine = opened.machine;
      this.layout = opened.layout;
      const hostTier = openHost(file, opened.layout, device);
      this.#owned.push({ close: () => hostTier.free() });
      const bandwidthMBps = options.linkMBps;
      this.lane = new TransferLane({
        layout: opened.layout,
        slots: laneSlots(opened.machine.pool, device),
        fast: { ...FREE_LINK, bandwidthMBps },
        hostTier,
        cancelFlag,
      });
      this.#owned.push(this.lane);
    } catch (error) {
      this.close();
      throw error;
    }
    this.recorder = new StreamRecorder(this.layout);
    this.#stream = this.#newStream(true);
  }

  /**
   * Begins a new stream over empty slots.
   * @param hasWindow  false loads ahead as much as slots allow, whatever has to leave for that
   */
  restart(hasWindow: boolean): SlotStream {
    this.#stream.settle();
    this.#stream = this.#newStream(hasWindow);
    return this.#stream;
  }

  /** The speed of the link over copies that wait for nothing, MB/s; ends what lies in the slots. */
  measureLink(): number {
    const { lane, layout } = this;
    const { expertCount, moeLayers } = layout;
    const slots = this.machine.pool.slotCount;
    this.#stream.settle();
    const copy = (count: number) => {
      const startMs = lane.nowMs();
      let [first, bytes] = [0, 0];
      while (first < count) {
        const end = Math.min(count, first + slots);
        for (let i = first; i < end; i++) {
          const layer = moeLayers[i % moeLayers.length] ?? 0;
          lane.submit(layer * expertCount + (i % expertCount), i - first, "demand");
          bytes += layout.expertBytes;
        }
        for (let i = first; i < end; i++) lane.waitFor(i - first);
        first = end;
      }
      lane.drain(() => {});
      return bytes / 1e3 / (lane.nowMs() - startMs);
    };
    copy(WARMUP);
    const speed = copy(COPIES);
    this.#stream = this.#newStream(true);
    return speed;
  }

  /** Milliseconds of the lane's clock. */
  nowMs = (): number => this.lane.nowMs();

  /** Ends all transfers, frees memory and threads. */
  close(): void {
    for (let last = this.#owned.pop(); last; last = this.#owned.pop()) last.close();
  }

  #newStream(hasWindow: boolean): SlotStream {
    const { pool } = this.machine;
    const stream = new SlotStream({
      shape: this.layout,
      lane: this.lane,
      classes: pool.classes,
      classOfLayer: (layer) => pool.classOfLayer(layer).index,
      window: hasWindow ? new StreamWindow(this.layout.expertCount) : undefined,
    });
    stream.onLoad = this.recorder.onLoad;
    stream.onWait = this.recorder.onWait;
    return stream;
  }
}

function openHost(file: GgufFile, layout: ExpertLayout, name: DeviceName): HostTier {
  const device = findDevice(GgmlLibrary.load(), name);
  const table = expertTable(layout);
  const experts = layout.moeLayers.length * layout.expertCount;
  const options = {
    // Places begin on cache lines.
    budgetBytes: experts * (table.expertBytesMax + 64),
    mode: "pinned",
    preload: true,
    contents: contentsOf(file, layout),
  } as const;
  return new HostTier(table, options, device.isHost ? undefined : device);
}
