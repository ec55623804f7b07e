export * from "./errors.ts";
export * from "./file.ts";
export * from "./header.ts";
export * from "./lookup.ts";
export { splitPath } from "./split.ts";
export * from "./types.ts";
export * from "./write.ts";
