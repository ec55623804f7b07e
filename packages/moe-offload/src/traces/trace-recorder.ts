import type { Routing } from "../offload/routing.ts";
import { badTrace, type Trace } from "./trace.ts";
import type { TraceContents } from "./trace-block.ts";
import { emptyBlock, joinBlocks, type TraceBlock, trimBlock } from "./trace-block.ts";

/** Tokens of a block; of the shipped model with all arrays about 0.7 MB. */
const BLOCK_TOKENS = 256;

/** Takes the blocks of a recorder: memory, or a file. */
export interface TraceSink {
  /** The block's arrays are the recorder's: copy what you keep. */
  write(block: TraceBlock): void;
}

/**
 * Records what routers choose, layer by layer. A token counts when its last layer with routed
 * experts was added; one that was broken off (cancelled) is left out when the next one begins.
 */
export class TraceRecorder {
  readonly #contents: TraceContents;
  readonly #sink: TraceSink;
  readonly #indexOf = new Map<number, number>();
  readonly #block: TraceBlock;
  #nextIndex = 0;
  #token = -1;
  #tokenCount = 0;

  constructor(contents: TraceContents, sink: TraceSink) {
    this.#contents = contents;
    this.#sink = sink;
    contents.shape.moeLayers.forEach((layer, index) => {
      this.#indexOf.set(layer, index);
    });
    this.#block = emptyBlock(contents, BLOCK_TOKENS);
  }

  /** Whole tokens recorded so far. */
  get tokenCount(): number {
    return this.#tokenCount;
  }

  /**
   * Adds one layer of one token: the layers of a token in order, without gaps.
   *
   * @param computeMs  time the layer computed; only where the trace holds times
   * @throws MoeError `BAD_TRACE` when a layer is missing or comes twice, or arrays do not fit
   */
  add(routing: Routing, computeMs = 0): void {
    const index = this.#indexOf.get(routing.layer);
    if (index === 0) {
      this.#nextIndex = 0;
      this.#token = routing.token;
    }
    if (index === undefined || index !== this.#nextIndex || routing.token !== this.#token) {
      const expected = this.#contents.shape.moeLayers[this.#nextIndex];
      throw badTrace(
        "being recorded",
        `layer ${routing.layer} of token ${routing.token} came where layer ${expected} ` +
          `of token ${this.#token} was expected`,
        "Add every layer of each token once, in order.",
      );
    }
    this.#copy(routing, index, computeMs);
    this.#nextIndex += 1;
    if (this.#nextIndex < this.#contents.shape.moeLayers.length) return;
    this.#nextIndex = 0;
    this.#token = -1;
    this.#tokenCount += 1;
    this.#block.tokenCount += 1;
    if (this.#block.tokenCount === BLOCK_TOKENS) this.flush();
  }

  /** Hands the tokens that are complete to the sink. */
  flush(): void {
    if (this.#block.tokenCount === 0) return;
    this.#sink.write(trimBlock(this.#contents, this.#block));
    this.#block.tokenCount = 0;
  }

  #copy(routing: Routing, index: number, computeMs: number): void {
    const { shape, hasProbabilities, aheadDepth, hasComputeMs } = this.#contents;
    const { expertCount, expertUsedCount, moeLayers } = shape;
    const { experts, probabilities, ahead } = routing;
    const row = this.#block.tokenCount * moeLayers.length + index;
    const depth = Math.min(aheadDepth, shape.layerCount - 1 - routing.layer);
    const fits =
      experts.length === expertUsedCount &&
      (!hasProbabilities || probabilities.length === expertCount) &&
      ahead.length >= depth &&
      ahead.slice(0, depth).every((logits) => logits.length === expertCount);
    if (!fits) {
      const problem = `the routing of layer ${routing.layer} does not have the trace's sizes`;
      throw badTrace("being recorded", problem, "Record with the shape of the model that runs.");
    }
    if (experts.some((expert) => expert < 0 || expert >= expertCount)) {
      const problem = `an expert of layer ${routing.layer} lies outside 0 to ${expertCount - 1}`;
      throw badTrace("being recorded", problem, "Record what the router chose.");
    }
    this.#block.positions[this.#block.tokenCount] = routing.position;
    this.#block.experts.set(experts, row * expertUsedCount);
    if (hasProbabilities) this.#block.probabilities.set(probabilities, row * expertCount);
    for (let d = 0; d < aheadDepth; d++) {
      const logits = d < depth ? ahead[d] : undefined;
      const at = (row * aheadDepth + d) * expertCount;
      if (logits === undefined) this.#block.ahead.fill(0, at, at + expertCount);
      else this.#block.ahead.set(logits, at);
    }
    if (hasComputeMs) this.#block.computeMs[row] = computeMs;
  }
}

/** A sink that keeps everything in memory. */
export class MemoryTraceSink implements TraceSink {
  readonly #contents: TraceContents;
  readonly #blocks: TraceBlock[] = [];

  constructor(contents: TraceContents) {
    this.#contents = contents;
  }

  write(block: TraceBlock): void {
    const { positions, experts, probabilities, ahead, computeMs } = block;
    this.#blocks.push({
      tokenCount: block.tokenCount,
      positions: positions.slice(),
      experts: experts.slice(),
      probabilities: probabilities.slice(),
      ahead: ahead.slice(),
      computeMs: computeMs.slice(),
    });
  }

  /** What was written so far; call the recorder's `flush` before. */
  toTrace(): Trace {
    return joinBlocks(this.#contents, this.#blocks);
  }
}
