import { ExperimentError } from "@fmlab/experiment";
import { type GgufFile, openGguf } from "@fmlab/ggml";
import { EXPERT_PARTS } from "../engine/interfaces.ts";
import type { Machine } from "../engine/machine.ts";
import type { ModelDescription } from "../model/description.ts";
import type { ExpertLayout } from "../model/expert-layout.ts";
import type { TwinKind } from "../precision/names.ts";
import { openTwinsNear } from "../precision/open-twins-near.ts";
import type { ReadMode } from "../tiers/aligned-reader.ts";
import type { LinkOptions } from "../tiers/link-schedule.ts";
import { TransferLane } from "../tiers/transfer-lane.ts";
import { SlotStream } from "./slot-stream.ts";
import { openStreamMachine, type StreamMachine } from "./stream-machine.ts";
import { StreamRecorder } from "./stream-recorder.ts";
import { StreamWindow } from "./stream-window.ts";

/** How a session is opened. */
export interface StreamSessionOptions {
  readonly modelPath: string;
  /** Memory for routed experts, staging included. */
  readonly budgetBytes: number;
  /** Limits imposed on top of real reads from disk. */
  readonly link: LinkOptions;
  readonly threads: number;
  /** Tokens of the context of one sequence, and of one batch of it. */
  readonly contextTokensMax: number;
  readonly batchTokensMax: number;
  /** Shared memory of one entry; nonzero ends all waiting. */
  readonly cancelFlag?: Int32Array;
  /** Loads low-precision twins of the experts in place of these; made when there are none yet. */
  readonly twins?: { readonly kind: TwinKind; readonly otherFolder: string } | undefined;
}

/** Facts of an opened session. */
export interface StreamFacts {
  readonly architecture: string;
  readonly modelName: string;
  readonly layerCount: number;
  readonly expertCount: number;
  readonly expertUsedCount: number;
  readonly contextLength: number;
  readonly slotCount: number;
  /** Experts of the whole model. */
  readonly expertTotal: number;
  readonly expertBytes: number;
  /** Bytes of all slots. */
  readonly slotBytes: number;
  readonly readMode: ReadMode;
}

/**
 * A model opened for whole batches: weights, slots, a lane that loads experts while this thread
 * computes, and the stream that decides which. Belongs on a compute thread.
 */
export class StreamSession {
  readonly file: GgufFile;
  readonly machine: Machine;
  readonly layout: ExpertLayout;
  readonly lane: TransferLane;
  readonly recorder: StreamRecorder;
  readonly link: LinkOptions;
  readonly #opened: StreamMachine;
  readonly #cancelFlag: Int32Array;
  #stream: SlotStream;

  /**
   * @throws GgufError | MoeError | GgmlError | EngineError for a file, budget or machine that does
   *         not do; ExperimentError `CANCELLED`
   */
  constructor(options: StreamSessionOptions) {
    this.link = options.link;
    this.#cancelFlag = options.cancelFlag ?? new Int32Array(new SharedArrayBuffer(4));
    this.file = openGguf(options.modelPath);
    let opened: StreamMachine | undefined;
    try {
      opened = openStreamMachine(this.file, {
        slotsOf: (layout) => Math.floor(options.budgetBytes / layout.expertBytes),
        threads: options.threads,
        contextLength: options.contextTokensMax,
        batchTokens: options.batchTokensMax,
        layoutOf: (layout, model) => this.#twinLayout(layout, model, options) ?? layout,
      });
      this.#opened = opened;
      this.machine = opened.machine;
      this.layout = opened.layout;
      this.lane = openLane(opened, options);
    } catch (error) {
      opened?.close();
      this.file.close();
      throw error;
    }
    this.recorder = new StreamRecorder(this.layout.expertCount);
    this.#stream = this.#newStream(true);
  }

  /** The stream that decides which experts lie in the slots. */
  get stream(): SlotStream {
    return this.#stream;
  }

  /**
   * Begins a new stream over empty slots.
   *
   * @param hasWindow  false loads ahead as much as slots allow, whatever has to leave for that
   */
  restart(hasWindow: boolean): SlotStream {
    this.#stream.settle();
    this.#stream = this.#newStream(hasWindow);
    return this.#stream;
  }

  get facts(): StreamFacts {
    const { layout, machine, lane } = this;
    const { model, pool } = machine;
    return {
      architecture: model.architecture,
      modelName: model.name,
      layerCount: model.layerCount,
      expertCount: model.expertCount,
      expertUsedCount: model.expertUsedCount,
      contextLength: model.contextLength,
      slotCount: pool.slotCount,
      expertTotal: layout.moeLayers.length * layout.expertCount,
      expertBytes: layout.expertBytes,
      slotBytes: pool.classes.reduce((sum, one) => sum + one.slotCount * one.expertBytes, 0),
      readMode: lane.readMode,
    };
  }

  #twinLayout(
    layout: ExpertLayout,
    model: ModelDescription,
    { twins }: StreamSessionOptions,
  ): ExpertLayout | undefined {
    if (!twins) return undefined;
    const { file } = this;
    const throwIfCancelled = () => this.throwIfCancelled();
    const request = { file, layout, model, kind: twins.kind, throwIfCancelled };
    const found = openTwinsNear(request, twins.otherFolder);
    // The lane opens the file anew by its path.
    found.file.close();
    return found.layout;
  }

  #newStream(hasWindow: boolean): SlotStream {
    const { pool } = this.machine;
    const stream = new SlotStream({
      shape: this.layout,
      lane: this.lane,
      classes: pool.classes,
      classOfLayer: (layer) => pool.classOfLayer(layer).index,
      window: hasWindow ? new StreamWindow() : undefined,
    });
    stream.onLoad = this.recorder.onLoad;
    stream.onWait = this.recorder.onWait;
    return stream;
  }

  /** Milliseconds of the lane's clock. */
  nowMs = (): number => this.lane.nowMs();

  /** @throws ExperimentError `CANCELLED` once the session was asked to stop */
  throwIfCancelled(): void {
    if (Atomics.load(this.#cancelFlag, 0) === 0) return;
    throw new ExperimentError("the run was cancelled", { code: "CANCELLED" });
  }

  /** Ends all transfers, frees memory and file handles. */
  close(): void {
    this.lane.close();
    this.#opened.close();
    this.file.close();
  }
}

function openLane({ layout, machine }: StreamMachine, options: StreamSessionOptions): TransferLane {
  const { pool } = machine;
  const slots = Array.from({ length: pool.slotCount }, (_, slot) =>
    EXPERT_PARTS.map((part) => ({
      address: pool.address(slot, part),
      sizeBytes: pool.view(slot, part).length,
    })),
  );
  const { cancelFlag, link } = options;
  return new TransferLane({ layout, slots, disk: link, ...(cancelFlag && { cancelFlag }) });
}
