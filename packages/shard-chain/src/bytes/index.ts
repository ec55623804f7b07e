export * from "./byte-reader.ts";
export * from "./byte-sink.ts";
export * from "./byte-writer.ts";
