// The entry of the process that looks for devices: TypeScript sources run directly through tsx.
import { createRequire } from "node:module";
import { register } from "tsx/cjs/api";

register();
createRequire(import.meta.url)("./device-probe-main.ts");
