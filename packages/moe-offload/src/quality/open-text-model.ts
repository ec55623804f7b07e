import { type GgufFile, openGguf } from "@fmlab/ggml";
import { badModel, describeModel, type ModelDescription } from "../model/description.ts";
import { type ExpertLayout, expertLayout } from "../model/expert-layout.ts";
import { Tokenizer } from "../tokenizer/tokenizer.ts";

/** A model file that is open for evaluating texts; the caller closes `file`. */
export interface TextModel {
  readonly file: GgufFile;
  readonly model: ModelDescription;
  readonly layout: ExpertLayout;
  readonly tokenizer: Tokenizer;
}

/**
 * Opens a model file with its tokenizer.
 * @throws MoeError | GgufError for a file that is no usable model
 */
export function openTextModel(path: string): TextModel {
  const file = openGguf(path);
  try {
    const model = describeModel(file);
    const tokenizer = new Tokenizer(file);
    if (tokenizer.vocabularySize !== model.vocabularySize) {
      const found = `its tokenizer has ${tokenizer.vocabularySize} tokens`;
      throw badModel(file, `${found}, its embedding ${model.vocabularySize}`);
    }
    return { file, model, tokenizer, layout: expertLayout(file, model) };
  } catch (error) {
    file.close();
    throw error;
  }
}
