export * from "./clock.ts";
export * from "./errors.ts";
export * from "./event-queue.ts";
export * from "./prng.ts";
export * from "./simulation.ts";
