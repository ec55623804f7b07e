import { StagedTensor, StagingMemory, StreamEvent } from "@fmlab/ggml";
import type { Routing } from "../../offload/routing.ts";
import { EngineError } from "../errors.ts";
import type { ExpertSource, LayerHook } from "../interfaces.ts";
import type { TokenGraphs } from "../machine.ts";
import { requestSlots } from "../request-slots.ts";
import { CpuSums, requireCpu } from "./cpu-sums.ts";
import type { DeviceMachine } from "./device-machine.ts";
import { DeviceStages } from "./device-stages.ts";
import type { ChainedGraph } from "./graph-chain.ts";
import { type Segment, Segments } from "./segments.ts";
import { SlotInputs } from "./slot-inputs.ts";

/**
 * One token on a card as one graph a layer: experts of the layer before, attention, router. What
 * the router says is copied back once a layer; while the shared expert computes the source decides,
 * and the next graph begins as soon as the chosen experts are there; later layers are looked ahead
 * to while the card computes, or while experts are missing. Nothing waits for the whole card.
 * Experts are released when the graph that used them has ended.
 *
 * Where the CPU computes experts as well, a layer's experts are a graph of their own: the card
 * computes those that lie in slots while this thread, with those of a pool, computes the others;
 * the next graph adds both. Which are which is an input, so that graphs and their recordings stay.
 */
export class DeviceSplitGraphs implements TokenGraphs {
  /** Told when a phase begins. */
  onLayer: LayerHook | undefined;
  readonly #machine: DeviceMachine;
  readonly #source: ExpertSource;
  readonly #stages: DeviceStages;
  readonly #segments: Segments;
  readonly #slotInputs: SlotInputs;
  readonly #cpuSums: CpuSums | undefined;
  readonly #logits: StagedTensor;
  readonly #logitsMemory: StagingMemory;
  readonly #routed: StreamEvent;
  readonly #slots: Int32Array;
  #token = 0;

  /** @throws EngineError `BAD_OPTION`, GgmlError */
  constructor(machine: DeviceMachine, source: ExpertSource) {
    const { cpuThreads, device, model } = machine;
    this.#machine = machine;
    this.#source = source;
    this.#slots = new Int32Array(model.expertUsedCount);
    this.#cpuSums = cpuThreads === undefined ? undefined : new CpuSums(machine, cpuThreads);
    requireCpu(this.#cpuSums, source.cpuShare);
    this.#stages = new DeviceStages(machine);
    this.#slotInputs = new SlotInputs(machine);
    this.#routed = new StreamEvent(device);
    this.#segments = new Segments({
      machine,
      stages: this.#stages,
      slotInputs: this.#slotInputs,
      cpuSums: this.#cpuSums,
    });
    const { logits } = this.#segments;
    this.#logitsMemory = new StagingMemory(device, StagedTensor.sizeBytes(logits));
    this.#logits = new StagedTensor(logits, this.#logitsMemory, 0);
  }

  evaluate(position: number): Float32Array {
    const { onLayer } = this;
    const { all, chain, head } = this.#segments;
    this.#stages.show(position + 1);
    chain.start();
    let before: Segment | undefined;
    for (const segment of all) {
      const { layer, main, readback, shared } = segment;
      onLayer?.("attention", layer);
      this.#begin(main, before);
      readback.download(main.backend);
      this.#routed.record(main.backend);
      if (shared) {
        chain.enter(shared);
        chain.begin(shared);
      }
      this.#source.lookAhead?.();
      this.#routed.wait();
      if (before) this.#source.release();
      onLayer?.("request", layer);
      readback.routing.token = this.#token;
      readback.routing.position = position;
      this.#request(readback.routing);
      this.#supply(segment);
      before = segment;
    }
    onLayer?.("head", this.#machine.model.layerCount);
    this.#begin(head, before);
    this.#logits.download(head.backend);
    this.#routed.record(head.backend);
    this.#source.lookAhead?.();
    this.#routed.wait();
    this.#source.release();
    onLayer?.("idle", this.#machine.model.layerCount);
    this.#token++;
    return this.#logits.values.float32;
  }

  routing(layer: number): Routing | undefined {
    return this.#segments.all.find((one) => one.layer === layer)?.readback.routing;
  }

  close(): void {
    this.#segments.head.backend.synchronize();
    this.#segments.close();
    this.#stages.close();
    this.#slotInputs.close();
    this.#cpuSums?.close();
    this.#routed.close();
    this.#logitsMemory.close();
  }

  /** Begins a graph that comes after the layer of a segment, with what that layer still needs. */
  #begin(next: ChainedGraph, before: Segment | undefined): void {
    const { chain } = this.#segments;
    chain.enter(next);
    if (before?.experts) this.#cpuSums?.enter(before.layer, next.backend);
    else if (before) this.#slotInputs.enter(before.layer, this.#slots, next.backend);
    chain.begin(next);
  }

  /** Has the layer's experts there, and those of them computed that have a graph of their own. */
  #supply({ experts, layer, readback }: Segment): void {
    if (!experts || !this.#cpuSums) {
      this.#await(layer);
      return;
    }
    const { cpuShare } = this.#source;
    const computeOnCpu = () => {
      if (cpuShare && cpuShare.count > 0) this.onLayer?.("cpu", layer);
      this.#cpuSums?.compute(layer, readback, cpuShare);
    };
    // What the card can compute now it computes while the CPU does; else copies come meanwhile.
    const isHere = this.#slots.every((_, i) => this.#source.isReady(i));
    if (!isHere) {
      this.#source.lookAhead?.();
      computeOnCpu();
    }
    this.#await(layer);
    this.#beginExperts(experts, layer);
    if (isHere) {
      this.#source.lookAhead?.();
      computeOnCpu();
    }
  }

  #beginExperts(experts: ChainedGraph, layer: number): void {
    const { chain } = this.#segments;
    chain.enter(experts);
    this.#slotInputs.enter(layer, this.#slots, experts.backend);
    chain.begin(experts);
  }

  #await(layer: number): void {
    const source = this.#source;
    const count = this.#slots.length;
    let isWaiting = false;
    for (let i = 0; i < count; i++) {
      if (source.isReady(i)) continue;
      if (!isWaiting) {
        this.onLayer?.("wait", layer);
        source.lookAhead?.();
      }
      isWaiting = true;
      source.waitFor(i);
    }
    this.onLayer?.("experts", layer);
  }

  #request(routing: Routing): void {
    const slots = this.#slots;
    requestSlots(this.#source, routing, slots, this.#machine);
    const { firstSlot, slotCount } = this.#machine.pool.classOfLayer(routing.layer);
    const isOwn = (slot: number) => slot >= firstSlot && slot < firstSlot + slotCount;
    if (slots.every((slot) => slot === -1 || isOwn(slot))) return;
    throw new EngineError(
      `experts of layer ${routing.layer} are said to lie in the slots [${slots.join(", ")}], some ` +
        "of them of another kind; on a card all experts of a layer are of one kind",
      { code: "BAD_SLOTS", layer: routing.layer, slots: [...slots], slotCount },
    );
  }
}
