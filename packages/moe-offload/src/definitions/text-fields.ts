import { z } from "zod";
import { DEFAULT_TEXT } from "../quality/default-text.ts";
import { deviceField, modelField, modelFile } from "./offload-fields.ts";

/** Fields of experiments that evaluate a text with a model. */
export const textFields = {
  model: modelField,
  device: deviceField,
  textFile: z
    .string()
    .max(1024)
    .default("")
    .describe("Text to measure on, .txt or .txt.gz, in the data folder; empty takes `text`.")
    .meta({ file: "data" }),
  text: z
    .string()
    .min(1)
    .max(2_000_000)
    .default(DEFAULT_TEXT)
    .describe("Text to measure on where no file is named."),
  windowTokens: z
    .number()
    .int()
    .min(0)
    .max(1_000_000)
    .default(0)
    .describe("Tokens of the consecutive windows a text is cut in; 0 for the model's context."),
  tokensMax: z
    .number()
    .int()
    .min(0)
    .max(100_000_000)
    .default(0)
    .describe("Tokens of the text that are used, from its beginning; 0 for all."),
  threads: z
    .number()
    .int()
    .min(1)
    .max(64)
    .default(1)
    .describe("Compute threads; at most the machine's cores."),
};

/** The files that a config with these fields needs. */
export function textFiles({ model, textFile }: { model: string; textFile: string }) {
  if (textFile === "") return [modelFile(model)];
  const text = {
    path: textFile,
    room: "data" as const,
    source: "the data folder",
    licence: "see where it comes from",
  };
  return [modelFile(model), text];
}
