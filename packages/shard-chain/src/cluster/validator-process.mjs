// A validator's process: TypeScript sources run directly through tsx.
import { register } from "tsx/esm/api";

register();
await import("./validator-main.ts");
