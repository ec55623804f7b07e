import { type AnyExperiment, defineExperiment, ExperimentError } from "@fmlab/experiment";
import { nearestName } from "./nearest-name.ts";

/** All experiments by kind, in the order they were given. */
export type Registry = ReadonlyMap<string, AnyExperiment>;

/**
 * Puts definitions together. Runs when the process starts, so that a broken experiment stops it
 * with the experiment's name instead of failing someone's launch later.
 *
 * @throws ExperimentError `BROKEN_DEFINITION` for a definition against the contract or a kind given
 * twice
 */
export function assembleRegistry(definitions: readonly AnyExperiment[]): Registry {
  const registry = new Map<string, AnyExperiment>();
  for (const definition of definitions) {
    defineExperiment(definition);
    const { kind } = definition;
    if (registry.has(kind)) {
      throw new ExperimentError(
        `experiment ${kind} is broken: two definitions have this kind; rename one of them`,
        { code: "BROKEN_DEFINITION", kind, problem: "two definitions have this kind" },
      );
    }
    registry.set(kind, definition);
  }
  return registry;
}

/** @throws ExperimentError `UNKNOWN_EXPERIMENT` with the nearest name and all there are */
export function findExperiment(registry: Registry, kind: string): AnyExperiment {
  const found = registry.get(kind);
  if (found !== undefined) return found;
  const known = [...registry.keys()];
  const nearest = nearestName(kind, known);
  const hint = nearest === undefined ? "" : ` Did you mean ${nearest}?`;
  const list = known.length === 0 ? "none" : known.join(", ");
  throw new ExperimentError(`there is no experiment "${kind}".${hint} Registered: ${list}`, {
    code: "UNKNOWN_EXPERIMENT",
    kind,
    known,
  });
}
