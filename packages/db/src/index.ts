export * from "./chunk-summary.ts";
export * from "./create-db.ts";
export * from "./log-chunks.ts";
export * from "./metric-chunks.ts";
export * from "./storable-text.ts";
