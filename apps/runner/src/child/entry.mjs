// A child process that runs one experiment: TypeScript sources run directly through tsx.
import { register } from "tsx/esm/api";

// Its hundred files need no translation: loaded before tsx looks at each import, in a third of the
// time.
await import("zod");
register();
await import("./child-main.ts");
