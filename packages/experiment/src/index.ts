export * from "./claims.ts";
export * from "./context.ts";
export * from "./define.ts";
export * from "./errors.ts";
export * from "./metrics.ts";
export * from "./run-folder.ts";
export * from "./views.ts";
