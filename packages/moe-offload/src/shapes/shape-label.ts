import type { GgufFile } from "@fmlab/ggml";
import type { Trace, TraceProvenance } from "../traces/trace.ts";

/** Metadata keys by which a file says that it is a shape; they survive its being written. */
export const SHAPE_KEYS = {
  of: "fmlab.shape.of",
  shrunk: "fmlab.shape.shrunk",
  storage: "fmlab.shape.storage",
} as const;

/** What has to stand beside every result of a shape. */
export interface ShapeLabel {
  /** One line for titles, tables and run records. */
  readonly title: string;
  /** What is true of the model and what is not, a sentence each. */
  readonly notes: readonly string[];
}

/**
 * The label of a shape, or undefined for a file that is a model.
 *
 * @param file   a shape, be it made up or read from a disk
 * @param trace  where its routing comes from; undefined when its random routers choose
 */
export function shapeLabel(
  file: Pick<GgufFile, "metadata">,
  trace?: Pick<Trace, "provenance">,
): ShapeLabel | undefined {
  const model = textOf(file, SHAPE_KEYS.of);
  if (model === undefined) return undefined;
  const shrunk = textOf(file, SHAPE_KEYS.shrunk);
  const size = shrunk ? " made smaller" : "";
  const routing = trace
    ? `routing replayed from ${traceName(trace.provenance)}`
    : "routing by random routers";
  return {
    title: `shape of ${model}${size}, random content, ${routing}`,
    notes: [
      shrunk
        ? `Sizes are not the published ones: ${shrunk}.`
        : "Counts, widths and types of all tensors are those of the model.",
      `Stored as: ${textOf(file, SHAPE_KEYS.storage) ?? "unknown"}; norms, biases, routers F32.`,
      "Weights are random: times and bytes mean something, text, logits and quality do not.",
      ...(trace ? routingNotes(trace.provenance) : RANDOM_ROUTERS),
    ],
  };
}

const RANDOM_ROUTERS = [
  "Experts are chosen by random routers: nearly evenly, and alike only for alike tokens.",
] as const;

function routingNotes({ isSimulated, model, notes }: TraceProvenance): string[] {
  return [
    isSimulated
      ? `Which experts a token uses is simulated, not measured (${model}).`
      : `Which experts a token uses was recorded of ${model}.`,
    "The engine's own routers compute as always, but what they say is replaced.",
    ...(notes ? [`The trace: ${notes}.`] : []),
  ];
}

function traceName({ model, origin, seed, text }: TraceProvenance): string {
  const seeded = seed === undefined ? "" : `, seed ${seed}`;
  return origin === "generated"
    ? `a generated trace that imitates ${model}${seeded}`
    : `a trace ${origin} of ${model} on ${text}${seeded}`;
}

function textOf(file: Pick<GgufFile, "metadata">, key: string): string | undefined {
  const value = file.metadata.get(key);
  return value?.type === "string" ? value.value : undefined;
}
