export * from "./assemble.ts";
export * from "./config-fields.ts";
export * from "./describe.ts";
export * from "./experiment-page.ts";
export * from "./experiments.ts";
export { nearestName } from "./nearest-name.ts";
