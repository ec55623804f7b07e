import type { AnyExperiment, ConfigProblem } from "@fmlab/experiment";
import type { z } from "zod";

/**
 * Checks a config as it is typed, with the very schema that server and runner use.
 *
 * @returns the problems, none for a valid config
 */
export function checkConfig(definition: AnyExperiment, config: unknown): ConfigProblem[] {
  const parsed = definition.config.strict().safeParse(config, { error: explain });
  if (parsed.success) return [];
  return parsed.error.issues.map((issue) => ({
    path: issue.path.join("."),
    message: issue.message,
  }));
}

/** zod's issues in the words of a form; undefined leaves zod's own message. */
const explain: z.core.$ZodErrorMap = (issue) => {
  const size = (n: number | bigint) => Number(n).toLocaleString("en-US");
  const things: Record<string, string> = { string: " characters", array: " items" };
  switch (issue.code) {
    case "invalid_type":
      if (issue.input === undefined || issue.input === "") return "Enter a value";
      if (issue.expected === "number") return "Enter a number";
      if (issue.expected === "int") return "Enter a whole number";
      return undefined;
    case "too_small":
      return `Must be ${issue.inclusive ? "at least" : "more than"} ${size(issue.minimum)}${
        things[issue.origin] ?? ""
      }`;
    case "too_big":
      return `Must be ${issue.inclusive ? "at most" : "less than"} ${size(issue.maximum)}${
        things[issue.origin] ?? ""
      }`;
    case "unrecognized_keys":
      return `There is no field ${issue.keys.map((key) => `“${key}”`).join(", ")}`;
    default:
      return undefined;
  }
};

/** Reads JSON text; says where it breaks in words. */
export function parseConfigText(text: string): { config: unknown } | { problem: string } {
  try {
    const config: unknown = JSON.parse(text);
    if (typeof config !== "object" || config === null || Array.isArray(config)) {
      return { problem: "A config is a JSON object: { … }" };
    }
    return { config };
  } catch (error) {
    return { problem: `This is not valid JSON: ${(error as Error).message}` };
  }
}
