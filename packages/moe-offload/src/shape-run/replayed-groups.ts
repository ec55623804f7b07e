import type { RoutingShape } from "../offload/routing.ts";
import { calibrationFromTrace } from "../replay/trace-knowledge.ts";
import type { ShapeName } from "../shapes/shape-model.ts";
import { generateShapeTrace } from "../shapes/shape-trace.ts";
import type { TraceRouting } from "../shapes/trace-routing.ts";
import { CorrelationTable } from "../throughput/correlation-table.ts";
import type { GroupRouting } from "../throughput/group-routing.ts";
import type { Trace } from "../traces/trace.ts";
import { blockOf, contentsOf, joinBlocks } from "../traces/trace-block.ts";

/** Sequences choose what the texts of a trace chose; beyond the last text the first comes again. */
export class ReplayedGroups implements GroupRouting {
  readonly #routing: TraceRouting;

  constructor(routing: TraceRouting) {
    this.#routing = routing;
  }

  replace(layer: number, sequence: number, position: number, chosen: Int32Array): void {
    const { trace } = this.#routing;
    const tokens = chosen.length / trace.shape.expertUsedCount;
    this.#routing.promptExperts(layer, this.#routing.span(sequence, position, tokens), chosen);
  }
}

/** How much routing is generated. */
export interface GroupsTraceOptions {
  readonly routing: RoutingShape;
  /** Different texts, and tokens of each: prompt and continuation together. */
  readonly texts: number;
  readonly textTokens: number;
  /** Tokens of other texts of the same routers, that the table of correlations is built from. */
  readonly trainingTokens: number;
  readonly seed: number;
}

/** Routing to replay, and what was learned of other texts of the same routers. */
export interface GroupsTraces {
  readonly measured: Trace;
  /** A fresh table, as it was built offline; it learns while it is used. */
  newTable(): CorrelationTable;
}

/**
 * Generates routing for a published model and divides it: the table of correlations is built from
 * some texts, the others are replayed.
 *
 * @throws MoeError `BAD_SETTING`
 * @see Klotski, ASPLOS 2025, arXiv 2502.06888, section 6: the table is built offline
 */
export function groupsTraces(name: ShapeName, options: GroupsTraceOptions): GroupsTraces {
  const { routing, seed, textTokens, texts } = options;
  const trainingTokens = Math.ceil(options.trainingTokens / textTokens) * textTokens;
  const whole = generateShapeTrace(name, {
    tokenCount: trainingTokens + texts * textTokens,
    sequenceTokens: textTokens,
    seed,
    routing,
  });
  const part = (from: number, to: number) =>
    joinBlocks(contentsOf(whole), [blockOf(whole, from, to)]);
  const { popularity, successors } = calibrationFromTrace(part(0, trainingTokens));
  return {
    measured: part(trainingTokens, whole.tokenCount),
    newTable: () => new CorrelationTable(routing, successors, popularity),
  };
}
