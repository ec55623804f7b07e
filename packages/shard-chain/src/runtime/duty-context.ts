import type { Host, NodeId } from "../node/host.ts";
import type { Topology } from "../protocol/chain.ts";
import type { NodeContext } from "../protocol/node-duty.ts";
import type { ChainView } from "./chain-view.ts";
import type { Directory, Seat } from "./directory.ts";

/** Channel of notes for blocks. */
export const NOTE_CHANNEL = "notes";
/** Channel of what duties say to each other. */
export const DUTY_CHANNEL = "duty";

/** What a duty's context is made of: a validator's own things. */
export interface DutyContextParts {
  readonly host: Host;
  readonly seat: Seat;
  readonly directory: Directory;
  readonly topology: Topology;
  readonly view: ChainView;
  /** The protocol's state after the newest executed block. */
  stateOf(): object;
  /** Both charge for themselves. */
  sign(statement: string): Uint8Array;
  verify(node: NodeId, statement: string, signature: Uint8Array): boolean;
}

/** A validator as its duties see it. */
export function createDutyContext(parts: DutyContextParts): NodeContext {
  const { host, seat, directory, topology, view } = parts;
  return {
    node: host.self,
    chain: topology.chains[seat.chain] as NodeContext["chain"],
    index: seat.index,
    topology,
    nodesOf: (chain) => directory.nodesOf(chain),
    nowMs: () => host.nowMs(),
    setTimer: (delayMs, fire) => host.setTimer(delayMs, fire),
    cancelTimer: (timer) => host.cancelTimer(timer),
    charge: (operation, count) => host.charge(operation, count),
    send: (to, body) => host.send(to, { channel: DUTY_CHANNEL, sizeBytes: body.sizeBytes, body }),
    submit: (chain, note) => {
      for (const node of directory.nodesOf(chain)) {
        host.send(node, { channel: NOTE_CHANNEL, sizeBytes: note.sizeBytes, body: note });
      }
    },
    sign: parts.sign,
    verify: parts.verify,
    executed: () => {
      const { height, timestampMs, ledger } = view;
      return { height, timestampMs, ledger, state: parts.stateOf() };
    },
    ledgerAt: (height) => view.ledgerAt(height),
  };
}
