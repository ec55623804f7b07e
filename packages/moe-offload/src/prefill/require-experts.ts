import { EngineError } from "../engine/errors.ts";

/**
 * Refuses what a router cannot have chosen.
 * @throws EngineError `BAD_ROUTING`
 */
export function requireExperts(layer: number, chosen: Int32Array, expertCount: number): void {
  const wrong = chosen.find((expert) => !(expert >= 0 && expert < expertCount));
  if (wrong === undefined) return;
  throw new EngineError(
    `layer ${layer} chose the expert ${wrong} of ${expertCount}; the weights of this model are ` +
      "damaged or give numbers that are not finite",
    { code: "BAD_ROUTING", layer, experts: [wrong], expertCount },
  );
}
