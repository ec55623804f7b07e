import { ExperimentError } from "@fmlab/experiment";
import { type GgufFile, openGguf } from "@fmlab/ggml";
import type { DeviceName } from "../engine/device/device-names.ts";
import type { ModelDescription } from "../model/description.ts";
import type { ExpertLayout } from "../model/expert-layout.ts";
import type { ExpertKey } from "../offload/routing.ts";
import { BatchMixture } from "../precision/batch-mixture.ts";
import type { TwinKind } from "../precision/names.ts";
import { openTwinsNear } from "../precision/open-twins-near.ts";
import { joinLayouts } from "../precision/tiered-pool.ts";
import { withTwins } from "../precision/twin-ranges.ts";
import type { ReadMode } from "../tiers/aligned-reader.ts";
import type { HostTierOptions } from "../tiers/host-tier.ts";
import { laneSlots } from "../tiers/lane-slots.ts";
import { FREE_LINK, type LinkOptions } from "../tiers/link-schedule.ts";
import { TransferLane } from "../tiers/transfer-lane.ts";
import type { BatchMachine } from "./batch-machine.ts";
import { mixedSlots } from "./mixed-slots.ts";
import { SlotStream } from "./slot-stream.ts";
import { openStreamMachine, type StreamMachine } from "./stream-machine.ts";
import { StreamRecorder } from "./stream-recorder.ts";
import { StreamWindow } from "./stream-window.ts";

/** Low-precision copies of experts: of which kind, and where they lie if not beside the model. */
export interface TwinSettings {
  readonly kind: TwinKind;
  readonly otherFolder: string;
}

/** How a session is opened. */
export interface StreamSessionOptions {
  readonly modelPath: string;
  /** Memory for routed experts, staging included. */
  readonly budgetBytes: number;
  /** Limits imposed on the way into the slots: from disk, or from host memory where there is. */
  readonly link: LinkOptions;
  /** Where the model is computed, and its slots lie; default: the CPU. */
  readonly device?: DeviceName | undefined;
  /** Memory between disk and slots; default: none, experts come straight from disk. */
  readonly host?: HostTierOptions | undefined;
  readonly threads: number;
  /** Tokens of the context of one sequence, and of one batch of it. */
  readonly contextTokensMax: number;
  readonly batchTokensMax: number;
  /** Shared memory of one entry; nonzero ends all waiting. */
  readonly cancelFlag?: Int32Array;
  /** Loads low-precision twins of the experts in place of these; made when there are none yet. */
  readonly twins?: TwinSettings | undefined;
  /**
   * Loads twins of the experts that few tokens of a batch chose; `rate`: their share of all uses at
   * most, 0..1. Not together with `twins`.
   */
  readonly mixture?: (TwinSettings & { readonly rate: number }) | undefined;
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
  /** What the model is computed on, as it calls itself. */
  readonly deviceName: string;
}

/**
 * A model opened for whole batches: weights, slots, a lane that loads experts while this thread
 * computes, and the stream that decides which. Belongs on a compute thread.
 */
export class StreamSession {
  readonly file: GgufFile;
  readonly machine: BatchMachine;
  readonly layout: ExpertLayout;
  readonly lane: TransferLane;
  readonly recorder: StreamRecorder;
  readonly link: LinkOptions;
  /** Decides what is computed in low precision; undefined where all is computed alike. */
  readonly mixture: BatchMixture | undefined;
  readonly #opened: StreamMachine;
  /** The twins that a mixture loads, and the classes of slots before theirs. */
  #mixed: { readonly twins: ExpertLayout; readonly firstClass: number } | undefined;
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
        slotsOf: (layout) =>
          this.#mixedSlots(layout, options) ?? Math.floor(options.budgetBytes / layout.expertBytes),
        device: options.device,
        threads: options.threads,
        contextLength: options.contextTokensMax,
        batchTokens: options.batchTokensMax,
        layoutOf: (layout, model) => this.#layoutOf(layout, model, options),
      });
      this.#opened = opened;
      this.machine = opened.machine;
      this.layout = opened.layout;
      this.mixture = options.mixture && new BatchMixture(this.layout, options.mixture.rate);
      this.lane = openLane(opened, this.#mixed?.twins, options);
    } catch (error) {
      opened?.close();
      this.file.close();
      throw error;
    }
    this.recorder = new StreamRecorder(this.layout);
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
      deviceName: machine.device.description,
    };
  }

  /** Bytes of an expert or of a twin. */
  expertBytes(key: ExpertKey): number {
    const index = this.#classOf(Math.floor(key / this.layout.expertCount));
    return this.machine.pool.classes[index]?.expertBytes ?? 0;
  }

  /** The class of slots of a layer's experts, or, for layers after the last, of twins. */
  #classOf = (layer: number): number => {
    const { layerCount } = this.layout;
    const { pool } = this.machine;
    if (layer < layerCount || !this.#mixed) return pool.classOfLayer(layer).index;
    return this.#mixed.firstClass + this.#mixed.twins.classOfLayer(layer - layerCount).index;
  };

  #layoutOf(
    layout: ExpertLayout,
    model: ModelDescription,
    { mixture, twins }: StreamSessionOptions,
  ): ExpertLayout {
    if (twins) return this.#twinLayout(layout, model, twins);
    if (!mixture) return layout;
    const mixed = this.#twinLayout(layout, model, mixture);
    this.#mixed = { twins: mixed, firstClass: layout.classes.length };
    return joinLayouts([layout, mixed]);
  }

  #mixedSlots(
    layout: ExpertLayout,
    { budgetBytes, mixture }: StreamSessionOptions,
  ): number[] | undefined {
    if (!this.#mixed || !mixture) return undefined;
    const { firstClass, twins } = this.#mixed;
    const own = { ...layout, classes: layout.classes.slice(0, firstClass) };
    return mixedSlots(own, twins, budgetBytes, mixture.rate);
  }

  #twinLayout(layout: ExpertLayout, model: ModelDescription, twins: TwinSettings): ExpertLayout {
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
      classOfLayer: this.#classOf,
      hasTwins: this.#mixed !== undefined,
      window: hasWindow ? new StreamWindow(this.layout.expertCount) : undefined,
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

function openLane(
  { layout, machine }: StreamMachine,
  mixed: ExpertLayout | undefined,
  options: StreamSessionOptions,
): TransferLane {
  const { cancelFlag, device, host, link } = options;
  const slots = laneSlots(machine.pool, device);
  const hasHost = host !== undefined && host.budgetBytes > 0;
  return new TransferLane({
    layout: mixed ? withTwins(layout, mixed) : layout,
    slots,
    disk: hasHost ? FREE_LINK : link,
    ...(hasHost && { fast: link, host }),
    ...(cancelFlag && { cancelFlag }),
  });
}
