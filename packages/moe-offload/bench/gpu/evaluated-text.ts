import type { MoeEngine } from "../../src/engine/engine.ts";
import type { Routing } from "../../src/offload/routing.ts";

/** A text as an engine saw it, token by token. */
export interface EvaluatedText {
  /** `[vocabularySize]` each. */
  readonly logits: readonly Float32Array[];
  /** By token: which experts each layer used, as one comparable string a layer. */
  readonly experts: readonly (readonly string[])[];
  /**
   * By token and layer: by how much the last expert that was chosen was likelier than the first
   * that was not.
   */
  readonly margins: readonly (readonly number[])[];
}

/** A token whose routers chose other experts on the device. */
export interface RoutingChange {
  readonly step: number;
  /** Rank of the layer among those with experts. */
  readonly layer: number;
  /** Router probability between the last chosen and the first left out, on the reference. */
  readonly margin: number;
}

/**
 * Evaluates tokens one by one, each after those before it.
 * @param sequenceLength  tokens after which the context begins anew
 */
export function evaluateText(
  engine: MoeEngine,
  tokens: Int32Array,
  sequenceLength = tokens.length,
): EvaluatedText {
  const experts: string[][] = [];
  const margins: number[][] = [];
  engine.onTokenRouting = (routing) => {
    experts.at(-1)?.push(
      Array.from(routing.experts)
        .sort((a, b) => a - b)
        .join(),
    );
    margins.at(-1)?.push(marginOf(routing));
  };
  const logits = Array.from(tokens, (token, step) => {
    if (step % sequenceLength === 0) engine.reset();
    experts.push([]);
    margins.push([]);
    return engine.decode(token).slice();
  });
  engine.onTokenRouting = undefined;
  return { logits, experts, margins };
}

/**
 * The first token of each sequence that was routed otherwise, and the tokens before: what comes
 * after it in its sequence computes with other experts, or remembers it.
 */
export function routingChanges(
  reference: EvaluatedText,
  device: EvaluatedText,
  sequenceLength = reference.logits.length,
): { changes: RoutingChange[]; sameSteps: number[] } {
  const changes: RoutingChange[] = [];
  const sameSteps: number[] = [];
  for (let step = 0; step < reference.logits.length; step++) {
    const first = step - (step % sequenceLength);
    if (changes.some((change) => change.step >= first)) continue;
    const own = reference.experts[step] ?? [];
    const layer = own.findIndex((chosen, i) => chosen !== device.experts[step]?.[i]);
    if (layer < 0) sameSteps.push(step);
    else changes.push({ step, layer, margin: reference.margins[step]?.[layer] ?? Number.NaN });
  }
  return { changes, sameSteps };
}

function marginOf({ experts, probabilities }: Routing): number {
  const sorted = Array.from(probabilities).sort((a, b) => b - a);
  const last = sorted[experts.length - 1] ?? 0;
  return last - (sorted[experts.length] ?? 0);
}
