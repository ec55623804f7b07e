import { resolve } from "node:path";

/** Commands whose first argument is an experiment. */
const OF_A_KIND = ["exec", "launch"];

/**
 * What can be set in the experiment that `args` name, to be shown below the help of the command;
 * empty when no such help is asked for. Help is printed before options are read, so the words are
 * looked at one by one. All code is imported late: help of another kind is quick.
 */
export async function kindHelp(args: readonly string[]): Promise<string> {
  const [command = "", ...rest] = args;
  const isHelp = rest.includes("--help") || rest.includes("-h");
  if (!isHelp || !OF_A_KIND.includes(command)) return "";
  const words = rest.filter((arg) => !arg.startsWith("-"));
  if (words.length === 0) return "";
  const { extraModules, loadExperiments } = await import("../experiments.ts");
  const modules = rest.flatMap((arg, i) => (rest[i - 1] === "--experiments" ? [resolve(arg)] : []));
  // Help must not fail for a module that cannot be imported; the command itself will say so.
  const all = await loadExperiments([...extraModules(), ...modules]).catch(() => undefined);
  const definition = words.map((word) => all?.get(word)).find((one) => one !== undefined);
  if (definition === undefined) return "";
  const { explain } = await import("./experiments.ts");
  return `\n${explain(definition)}`;
}
