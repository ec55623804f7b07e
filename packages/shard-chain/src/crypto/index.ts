export * from "./bls.ts";
export * from "./calibrate.ts";
export * from "./ecvrf.ts";
export * from "./epoch-shuffle.ts";
export * from "./signatures.ts";
