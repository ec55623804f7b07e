import { describe, expect, it } from "vitest";
import { addressOf } from "../../src/ledger/address.ts";
import { accountKey, EMPTY_ACCOUNT } from "../../src/ledger/state-value.ts";
import type { Protocol } from "../../src/protocol/protocol.ts";
import { runDeployment } from "../../src/runtime/run-deployment.ts";
import { SMALL_PLAN, smallDeployment } from "../runtime/small-deployment.ts";

/** Faults in an otherwise right protocol, and the oracles that have to find them. */
const FAULTS: Record<string, { oracles: string[]; plant: (right: Protocol) => Partial<Protocol> }> =
  {
    "takes every message twice": {
      oracles: ["conservation", "atomicity"],
      plant: (right) => ({
        onCrossMessage(chain, message, from) {
          right.onCrossMessage(chain, message, from);
          right.onCrossMessage(chain, message, from);
        },
      }),
    },
    "loses the messages of one chain": {
      oracles: ["liveness"],
      plant: (right) => ({
        onCrossMessage(chain, message, from) {
          if (from !== 0) right.onCrossMessage(chain, message, from);
        },
      }),
    },
    "creates money": {
      oracles: ["conservation"],
      plant: () => ({
        onCommit(chain) {
          if (chain.height !== 3 || chain.chain.id !== 1) return;
          chain.ledger.set(accountKey(addressOf("thief")), { ...EMPTY_ACCOUNT, balance: 5n });
        },
      }),
    },
    "does not do the same on every validator": {
      oracles: ["agreement"],
      plant: () => {
        let calls = 0n;
        return {
          onCommit(chain) {
            const word = ++calls;
            chain.ledger.set(accountKey(addressOf("counter")), { ...EMPTY_ACCOUNT, word });
          },
        };
      },
    },
    "says that it did what it left out": {
      oracles: ["atomicity"],
      plant: () => ({
        onTransaction({ record }, { id }) {
          record.begin(id, 2);
          record.decide(id, { outcome: "commit", parts: 1 });
          record.settle(id, 0, "commit");
        },
      }),
    },
  };

const PLAN = { ...SMALL_PLAN, stallMs: 20_000 };

describe("a run of a broken protocol is a failed run", () => {
  it.each(Object.entries(FAULTS))("when it %s", async (_, { oracles, plant }) => {
    const settings = smallDeployment({
      protocol: "relay",
      transactions: 60,
      deployment: { checkedShare: 1, replay: false },
    });
    const protocol = { ...settings.protocol, ...plant(settings.protocol) };
    const { failures } = await runDeployment({ ...settings, protocol }, PLAN);
    expect(failures.map(({ oracle }) => oracle)).toEqual(expect.arrayContaining(oracles));
    expect(failures[0]?.violations[0]?.what).toBeTruthy();
  });
});
