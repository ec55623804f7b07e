import {
  type AnyExperiment,
  type Fidelity,
  type MetricSpec,
  parseConfig,
  presetConfig,
  type Requirements,
  type ViewSpec,
} from "@fmlab/experiment";
import { z } from "zod";

/** A preset with every field filled in. */
export interface PresetDescription {
  title: string;
  description: string;
  everywhere: boolean;
  config: Record<string, unknown>;
}

/**
 * A definition as plain JSON: what forms, command-line help, docs and API answers are made from.
 */
export interface ExperimentDescription {
  kind: string;
  version: number;
  title: string;
  question: string;
  paper: string | null;
  /** JSON schema of what a launcher may write, with defaults and help texts. */
  jsonSchema: Record<string, unknown>;
  /** The config that `{}` stands for. */
  defaults: Record<string, unknown>;
  presets: Record<string, PresetDescription>;
  metrics: Record<string, MetricSpec>;
  views: ViewSpec[];
  /** What the default config needs of a machine. */
  requires: Requirements;
  /** How the default config's numbers come to be. */
  fidelity: Fidelity;
}

/** Tells a definition as data, without loading the code that runs it. */
export function describeExperiment(definition: AnyExperiment): ExperimentDescription {
  const defaults = parseConfig(definition, {});
  return {
    kind: definition.kind,
    version: definition.version,
    title: definition.title,
    question: definition.question,
    paper: definition.paper ?? null,
    jsonSchema: z.toJSONSchema(definition.config, { io: "input" }) as Record<string, unknown>,
    defaults,
    presets: Object.fromEntries(
      Object.entries(definition.presets).map(([name, preset]) => [
        name,
        {
          title: preset.title,
          description: preset.description,
          everywhere: preset.everywhere ?? false,
          config: presetConfig(definition, name),
        },
      ]),
    ),
    metrics: definition.metrics,
    views: definition.views,
    requires: definition.requires(defaults),
    fidelity: definition.fidelity(defaults),
  };
}
