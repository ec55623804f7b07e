// Opens and runs mutated models in a process of its own: `ggml` ends the whole process when a check
// of its own fails, which the parent must see.
import { register } from "tsx/esm/api";

register();
await import("./fuzz-child.ts");
