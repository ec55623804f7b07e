import type { Backend, Device } from "@fmlab/ggml";
import type { HyperParameters } from "../hyper-parameters.ts";
import type { NativeSlotPool } from "../slot-pool.ts";
import type { ModelWeights } from "../weights.ts";
import type { DeviceContext } from "./device-context.ts";

/** Everything graphs on a card are built from; owned by the engine. */
export interface DeviceMachine {
  readonly device: Device;
  /** The stream that computes. */
  readonly backend: Backend;
  readonly model: HyperParameters;
  readonly weights: ModelWeights;
  readonly context: DeviceContext;
  readonly pool: NativeSlotPool;
  /** Next layers whose routers are applied to each layer's gate input. */
  readonly aheadDepth: number;
  /** The CPU computes experts beside the card, with so many threads; undefined: never. */
  readonly cpuThreads: number | undefined;
}
