// The entry of a reading thread: it registers a loader for TypeScript, then reads.
import { register } from "tsx/esm/api";

register();
await import("./disk-speed.ts");
