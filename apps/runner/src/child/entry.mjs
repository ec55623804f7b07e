// A child process that runs one experiment: TypeScript sources run directly through tsx.
import { register } from "tsx/esm/api";

register();
await import("./child-main.ts");
