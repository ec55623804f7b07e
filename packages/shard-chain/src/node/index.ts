export * from "./application.ts";
export * from "./block.ts";
export * from "./committee.ts";
export * from "./consensus.ts";
export * from "./frames.ts";
export * from "./host.ts";
export * from "./socket-host.ts";
export * from "./virtual-world.ts";
