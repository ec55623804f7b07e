import { connect, createServer, type Server, type Socket } from "node:net";
import type { SignatureScheme, Signer } from "../crypto/signatures.ts";
import { ShardChainError } from "../errors.ts";
import { encodeFrame, FRAME_BYTES_MAX, type Frame, FrameReader } from "./frames.ts";
import type { Host, HostedNode, MessageCodec, NodeId, NodeMessage, Timer } from "./host.ts";

/** Where a node listens and what it signs with. */
export interface NodeAddress {
  readonly port: number;
  /** Default: this machine. */
  readonly hostname?: string;
  readonly publicKey: Uint8Array;
}

/** What a node on sockets takes from the machine. */
export interface SocketMachine {
  /** Never falls; the same zero on all nodes, since blocks are timed by it. */
  nowMs(): number;
  schedule(delayMs: number, fire: () => void): unknown;
  cancel(scheduled: unknown): void;
  /** 32 unpredictable bytes. */
  nonce(): Uint8Array;
}

/** A node on sockets. */
export interface SocketHostSettings {
  readonly self: NodeId;
  readonly addresses: ReadonlyMap<NodeId, NodeAddress>;
  readonly signer: Signer;
  readonly scheme: SignatureScheme;
  readonly codecs: ReadonlyMap<string, MessageCodec<unknown>>;
  readonly machine: SocketMachine;
}

/** Bytes that wait for one peer at most; the oldest messages make room. */
const WAITING_BYTES_MAX = 32 * 2 ** 20;
const RECONNECT_MS = 200;
const HELLO = "hello";
/** Longest frame of a stranger. */
const HELLO_BYTES_MAX = 1_024;

interface SetTimer extends Timer {
  handle: unknown;
}

/**
 * A node on TCP sockets. Each node dials each other one for what it sends, so a connection carries
 * messages one way; a lost connection is dialled again. Who accepts sends a nonce, who dials signs
 * it: `from` is whom the key says, whatever the messages claim.
 */
export class SocketHost implements Host {
  readonly self: NodeId;
  readonly #settings: SocketHostSettings;
  readonly #peers = new Map<NodeId, Peer>();
  readonly #incoming = new Set<Socket>();
  readonly #server: Server;
  #node: HostedNode | undefined;
  #unreachable: ReadonlySet<NodeId> = new Set();
  #isClosed = false;

  constructor(settings: SocketHostSettings) {
    this.self = settings.self;
    this.#settings = settings;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /**
   * Listens, and starts the node.
   *
   * @throws ShardChainError `UNKNOWN_NAME` when the node has no address
   */
  async open(node: HostedNode): Promise<void> {
    const own = this.#addressOf(this.self);
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(own.port, own.hostname ?? "127.0.0.1", resolve);
    });
    this.#node = node;
    node.start();
  }

  /** Ends all connections; no timer fires and no message arrives afterwards. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const peer of this.#peers.values()) peer.close();
    for (const socket of this.#incoming) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  /** From now on nothing goes to these nodes and nothing of theirs is heard: a partition. */
  cutOff(nodes: ReadonlySet<NodeId>): void {
    this.#unreachable = nodes;
  }

  nowMs(): number {
    return this.#settings.machine.nowMs();
  }

  send(to: NodeId, message: NodeMessage): void {
    if (this.#isClosed || this.#unreachable.has(to)) return;
    if (to === this.self) {
      this.setTimer(0, () => this.#node?.onMessage(to, message));
      return;
    }
    const codec = this.#settings.codecs.get(message.channel);
    if (codec === undefined) return;
    this.#peerOf(to).send(encodeFrame(message.channel, codec.encode(message.body)));
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const { machine } = this.#settings;
    const handle = machine.schedule(delayMs, () => {
      if (!this.#isClosed) fire();
    });
    const timer: SetTimer = { atMs: machine.nowMs() + delayMs, handle };
    return timer;
  }

  cancelTimer(timer: Timer): void {
    this.#settings.machine.cancel((timer as SetTimer).handle);
  }

  /** The work itself takes the time. */
  charge(): void {}

  #peerOf(to: NodeId): Peer {
    let peer = this.#peers.get(to);
    if (peer === undefined) {
      peer = new Peer(to, this.#addressOf(to), this.#settings);
      this.#peers.set(to, peer);
    }
    return peer;
  }

  #addressOf(node: NodeId): NodeAddress {
    const address = this.#settings.addresses.get(node);
    if (address !== undefined) return address;
    const known = [...this.#settings.addresses.keys()].map(String);
    throw new ShardChainError(`node ${node} has no address; there are ${known.join(", ")}`, {
      code: "UNKNOWN_NAME",
      what: "node",
      name: String(node),
      known,
    });
  }

  #accept(socket: Socket): void {
    this.#incoming.add(socket);
    socket.on("close", () => this.#incoming.delete(socket));
    socket.on("error", () => socket.destroy());
    const nonce = this.#settings.machine.nonce();
    socket.write(encodeFrame(HELLO, nonce));
    let from: NodeId | undefined;
    const reader = new FrameReader(HELLO_BYTES_MAX);
    const take = ({ channel, body }: Frame) => {
      if (from !== undefined) this.#receive(from, channel, body);
      else from = this.#greet(channel, body, nonce);
      reader.bytesMax = FRAME_BYTES_MAX;
      return from !== undefined;
    };
    socket.on("data", (bytes) => {
      if (!reader.push(bytes, take)) socket.destroy();
    });
  }

  /** Who has dialled; undefined for who cannot show it. */
  #greet(channel: string, body: Uint8Array, nonce: Uint8Array): NodeId | undefined {
    if (channel !== HELLO || body.length <= 4) return undefined;
    const from = Buffer.from(body).readUInt32BE();
    const key = this.#settings.addresses.get(from)?.publicKey;
    const statement = helloStatement(from, this.self, nonce);
    const isTrue = key && this.#settings.scheme.verify(key, statement, body.subarray(4));
    return isTrue ? from : undefined;
  }

  #receive(from: NodeId, channel: string, bytes: Uint8Array): void {
    if (this.#unreachable.has(from)) return;
    const body = this.#settings.codecs.get(channel)?.decode(bytes);
    if (body === undefined || this.#isClosed) return;
    this.#node?.onMessage(from, { channel, sizeBytes: bytes.length, body });
  }
}

/** The connection to one node, for what is sent to it. */
class Peer {
  readonly #to: NodeId;
  readonly #address: NodeAddress;
  readonly #settings: SocketHostSettings;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #socket: Socket | undefined;
  #isGreeted = false;
  #isClosed = false;

  constructor(to: NodeId, address: NodeAddress, settings: SocketHostSettings) {
    this.#to = to;
    this.#address = address;
    this.#settings = settings;
    this.#dial();
  }

  send(frame: Uint8Array): void {
    if (this.#isGreeted && this.#socket && this.#socket.writableLength < WAITING_BYTES_MAX) {
      this.#socket.write(frame);
      return;
    }
    this.#waiting.push(frame);
    this.#waitingBytes += frame.length;
    while (this.#waitingBytes > WAITING_BYTES_MAX) {
      this.#waitingBytes -= this.#waiting.shift()?.length ?? 0;
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#socket?.destroy();
  }

  #dial(): void {
    if (this.#isClosed) return;
    const { hostname = "127.0.0.1", port } = this.#address;
    const socket = connect({ host: hostname, port, noDelay: true });
    this.#socket = socket;
    const reader = new FrameReader(HELLO_BYTES_MAX);
    const take = ({ channel, body }: Frame) => {
      if (channel === HELLO && !this.#isGreeted) this.#introduce(socket, body);
      return true;
    };
    socket.on("data", (bytes) => {
      if (!reader.push(bytes, take)) socket.destroy();
    });
    socket.on("drain", () => this.#flush(socket));
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      this.#isGreeted = false;
      this.#settings.machine.schedule(RECONNECT_MS, () => this.#dial());
    });
  }

  #introduce(socket: Socket, nonce: Uint8Array): void {
    const { self, signer } = this.#settings;
    const number = Buffer.alloc(4);
    number.writeUInt32BE(self);
    const signature = signer.sign(helloStatement(self, this.#to, nonce));
    socket.write(encodeFrame(HELLO, Buffer.concat([number, signature])));
    this.#isGreeted = true;
    this.#flush(socket);
  }

  #flush(socket: Socket): void {
    if (!this.#isGreeted) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    for (const frame of waiting) socket.write(frame);
  }
}

function helloStatement(from: NodeId, to: NodeId, nonce: Uint8Array): string {
  return `hello|${from}|${to}|${Buffer.from(nonce).toString("hex")}`;
}
