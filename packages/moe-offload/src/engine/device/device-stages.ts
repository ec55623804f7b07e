import { Arena, type Graph, ops, RowWindow } from "@fmlab/ggml";
import { LayerGraph } from "../layer-graph.ts";
import { nodeCountMax } from "../machine.ts";
import { visibleStretch } from "./device-context.ts";
import type { DeviceMachine } from "./device-machine.ts";

/** Builds graphs of one token on a card, and owns them. */
export class DeviceStages {
  readonly #machine: DeviceMachine;
  readonly #arenas: Arena[] = [];
  /** What shows the visible part of the cache: keys and values along rows, masks along columns. */
  readonly #windows: RowWindow[] = [];
  #visible: number;

  constructor(machine: DeviceMachine) {
    this.#machine = machine;
    this.#visible = machine.context.contextLength;
  }

  /**
   * @param layers  how many layers' nodes the graph takes at most
   * @param build   adds nodes; may place results, called before memory is taken
   */
  stage(layers: number, build: (graph: LayerGraph, arena: Arena) => void): Graph {
    const { context, device, model, weights } = this.#machine;
    const size = nodeCountMax(model, layers) + layers;
    const arena = new Arena(device.library, { tensorCountMax: size, graphNodeCountMax: size });
    this.#arenas.push(arena);
    const visible = context.contextLength;
    const mask = ops.view(arena, context.mask, { shape: [visible, ops.paddedMaskRows(1)] });
    const graph = new LayerGraph(arena, model, weights, context, { tokenCount: 1, visible, mask });
    build(graph, arena);
    arena.allocate(device);
    if (graph.cacheViews.length > 0) {
      this.#windows.push(new RowWindow(mask, 0));
      this.#windows.push(...graph.cacheViews.map((view) => new RowWindow(view)));
    }
    return arena.graph;
  }

  /** Shows the first `tokens` tokens of the cache in all graphs. */
  show(tokens: number): void {
    this.#machine.context.show(tokens);
    const visible = Math.min(visibleStretch(tokens), this.#machine.context.contextLength);
    if (visible === this.#visible) return;
    this.#visible = visible;
    for (const window of this.#windows) window.setRows(visible);
  }

  /** Frees the graphs; the card must be done with them. */
  close(): void {
    for (const arena of this.#arenas) arena.close();
  }
}
