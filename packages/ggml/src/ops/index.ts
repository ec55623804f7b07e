export * from "./activation.ts";
export * from "./arithmetic.ts";
export * from "./attention.ts";
export * from "./layout.ts";
export * from "./matrix.ts";
export * from "./normalise.ts";
export * from "./rope.ts";
export * from "./rows.ts";
