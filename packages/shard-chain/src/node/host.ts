/** A node among all nodes of all chains of a run, validators and clients alike. */
export type NodeId = number;

/** A message between two nodes, never changed once sent: in virtual time it goes by reference. */
export interface NodeMessage {
  /** Which part of the receiving node it is for, e.g. `consensus` or `cross-shard`. */
  readonly channel: string;
  /** Length on a socket, without the frame; what the network model charges for. */
  readonly sizeBytes: number;
  /** What that part sends; the channel's codec writes it for sockets. */
  readonly body: unknown;
}

/** A timer that was set; give it to `cancelTimer`. */
export interface Timer {
  readonly atMs: number;
}

/**
 * The world a node runs in: virtual time or real sockets. Code of a node reads time, sends, waits
 * and spends CPU through its host only, so the same code runs in both.
 */
export interface Host {
  readonly self: NodeId;
  /** The node's own clock: virtual, or the machine's. Never falls. */
  nowMs(): number;
  /**
   * Sends at most once, without order: messages may be late, lost or overtake each other. A message
   * to the node itself arrives too, after the present call.
   */
  send(to: NodeId, message: NodeMessage): void;
  /** Calls `fire` once, `delayMs` from now, never within the present call. */
  setTimer(delayMs: number, fire: () => void): Timer;
  /** No effect on a timer that has fired. */
  cancelTimer(timer: Timer): void;
  /**
   * Says that the present call does `count` operations of a kind in the cost table (`sign`,
   * `verify`, `execute-transfer`, ...). In virtual time the node's core is busy that long: what it
   * sends leaves later and what arrives waits. On sockets the work itself takes the time.
   */
  charge(operation: string, count?: number): void;
}

/** A node as its host sees it. */
export interface HostedNode {
  /** Called once, before anything else. */
  start(): void;
  /** `from` is the sender as the host knows it, not as the message claims. */
  onMessage(from: NodeId, message: NodeMessage): void;
}

/** Writes the bodies of a channel's messages for sockets and reads them back. */
export interface MessageCodec<Body> {
  encode(body: Body): Uint8Array;
  /** Undefined for bytes that are no message; never throws, never allocates beyond their length. */
  decode(bytes: Uint8Array): Body | undefined;
}
