import { fileURLToPath } from "node:url";

/** Folder of the models that come with the repository. */
export const MODELS_DIR = fileURLToPath(new URL("../../../models", import.meta.url));
/** The shipped model. */
export const SHIPPED_MODEL = `${MODELS_DIR}/tiny-story-moe.q8_0.gguf`;
