// The thread's entry. Node runs it without a loader, so it registers one before it loads
// TypeScript: the one for `require`, since the one for `import` needs a thread of its own, which
// doubles the time this one takes to start.
import { createRequire } from "node:module";
import { register } from "tsx/cjs/api";

register();
createRequire(import.meta.url)("./training-thread-main.ts");
