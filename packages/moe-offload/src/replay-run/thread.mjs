// The thread's entry. Node runs it without a loader, so it registers one before it imports
// TypeScript.
import { register } from "tsx/esm/api";

register();
await import("./thread-main.ts");
