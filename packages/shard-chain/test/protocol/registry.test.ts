import { describe, expect, it } from "vitest";
import { PROTOCOL_NAMES } from "../../src/protocol/names.ts";
import type { ProtocolSettings } from "../../src/protocol/protocol.ts";
import { createProtocol, PROTOCOLS } from "../../src/protocol/registry.ts";

describe("the registry of protocols", () => {
  it("has the names that forms offer, in the same order", () => {
    expect(PROTOCOLS.map(({ name }) => name)).toEqual([...PROTOCOL_NAMES]);
  });

  it("tells the known names where one is unknown", () => {
    const create = () => createProtocol("no-such", {} as ProtocolSettings);
    expect(create).toThrow(/"no-such"; known are relay/);
  });
});
