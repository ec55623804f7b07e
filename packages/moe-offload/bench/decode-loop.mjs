// The entry of the decoding thread: it registers a loader for TypeScript, then runs the loop.
import { register } from "tsx/esm/api";

register();
await import("./decode-loop.ts");
