import { resolve } from "node:path";
import type { AnyExperiment } from "@fmlab/experiment";
import { describeExperiment, listConfigFields } from "@fmlab/registry";
import { experimentOf, extraModules, loadExperiments } from "../experiments.ts";
import { EXIT } from "./exit-code.ts";
import { columns, out, outJson } from "./terminal.ts";

/** `fmlab experiments`: all experiments, or one with everything that can be set. */
export async function experimentsCommand(
  kind: string | undefined,
  options: { json: boolean; experiments: string[] },
): Promise<number> {
  const modules = [...extraModules(), ...options.experiments.map((path) => resolve(path))];
  const all = await loadExperiments(modules);
  if (kind !== undefined) {
    const definition = experimentOf(all, kind);
    if (options.json) outJson(describeExperiment(definition));
    else out(explain(definition));
    return EXIT.success;
  }
  const list = [...all.values()];
  if (options.json) {
    outJson(
      list.map(({ kind: name, version, title, question, paper, presets }) => ({
        kind: name,
        version,
        title,
        question,
        paper: paper ?? null,
        presets: Object.keys(presets),
      })),
    );
    return EXIT.success;
  }
  for (const one of list) {
    out(`${one.kind}  ${one.title}\n  ${one.question}`);
    out(`  presets: ${Object.keys(one.presets).join(", ")}`);
  }
  out("\nfmlab experiments KIND explains one; fmlab exec KIND --preset NAME runs it.");
  return EXIT.success;
}

/** An experiment's question, config fields with their ranges, presets, metrics and pictures. */
export function explain(definition: AnyExperiment): string {
  const told = describeExperiment(definition);
  const fields = listConfigFields(told.jsonSchema, told.defaults).flatMap((field) => [
    `  ${field.path} = ${JSON.stringify(field.defaultValue) ?? ""}  (${field.type})`,
    ...(field.help === "" ? [] : [`      ${field.help}`]),
  ]);
  const presets = Object.entries(told.presets).map(([name, preset]) => {
    const everywhere = preset.everywhere ? " (runs everywhere)" : "";
    return `  ${name}${everywhere}: ${preset.title}. ${preset.description}`;
  });
  const metrics = Object.entries(told.metrics).map(([key, { unit, better, help }]) => [
    `  ${key}`,
    unit,
    better === "none" ? "" : `${better} is better`,
    help,
  ]);
  const views = told.views.map((view) => [`  ${view.series}`, view.kind, view.title]);
  return [
    `${told.kind} (version ${told.version}): ${told.title}`,
    told.question,
    ...(told.paper === null ? [] : [`Method: ${told.paper}`]),
    "\nConfig (set with --set field=value or in a JSON file):",
    ...fields,
    "\nPresets:",
    ...presets,
    "\nMetrics:",
    columns(metrics),
    ...(views.length === 0 ? [] : ["\nPictures:", columns(views)]),
  ].join("\n");
}
