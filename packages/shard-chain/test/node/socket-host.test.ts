import { randomBytes } from "node:crypto";
import { connect, createServer } from "node:net";
import { createPrng } from "@fmlab/sim";
import { afterEach, describe, expect, it } from "vitest";
import { COMMAND_CODEC, CommandApplication } from "../../src/adversary/command-application.ts";
import {
  ConsensusCodec,
  type ConsensusMessage,
  ConsensusNode,
  consensusChannel,
  createConsensus,
  hostLink,
} from "../../src/consensus/index.ts";
import { ED25519 } from "../../src/crypto/index.ts";
import {
  CONSENSUS_NAMES,
  Committee,
  type ConsensusName,
  encodeFrame,
  type Frame,
  FrameReader,
  type MessageCodec,
  type NodeMessage,
  SocketHost,
  type SocketMachine,
} from "../../src/node/index.ts";

const startMs = performance.now();
const machine: SocketMachine = {
  nowMs: () => performance.now() - startMs,
  schedule: (delayMs, fire) => setTimeout(fire, delayMs),
  cancel: (scheduled) => clearTimeout(scheduled as NodeJS.Timeout),
  nonce: () => randomBytes(32),
};
const TIMING = { proposeMs: 400, voteMs: 150, growthMs: 100, pauseMs: 5, resendMs: 500 };

const TEXT = "hi ".repeat(2_000);
const TEXT_BYTES = Buffer.from(TEXT);

const open: SocketHost[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((host) => host.close()));
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address ? address.port : 0;
}

/** Four validators on sockets of this machine. */
async function startCluster(name: ConsensusName) {
  const signers = [1, 2, 3, 4].map((i) => ED25519.createSigner(new Uint8Array(32).fill(i)));
  const validators = signers.map(({ publicKey }, node) => ({ node, power: 1, publicKey }));
  const committee = new Committee("shard-0", validators);
  const ports = await Promise.all(signers.map(freePort));
  const addresses = new Map(
    signers.map(({ publicKey }, node) => [node, { port: ports[node] ?? 0, publicKey }]),
  );
  const codec = new ConsensusCodec(name, COMMAND_CODEC);
  const codecs = new Map([[consensusChannel("shard-0"), codec as MessageCodec<unknown>]]);
  let told: () => void = () => undefined;
  const applications = signers.map(() => new CommandApplication([1, 2, 3, 4, 5]));
  const hosts = signers.map((signer, self) => {
    const scheme = ED25519;
    const host = new SocketHost({ self, addresses, signer, scheme, codecs, machine });
    open.push(host);
    return host;
  });
  await Promise.all(
    hosts.map((host, i) => {
      const application = applications[i] as CommandApplication;
      const consensus = createConsensus(name, {
        committee,
        link: hostLink(host, committee, (message: ConsensusMessage) => codec.sizeOf(message)),
        application: {
          propose: (place) => application.propose(place),
          validate: (payload, place) => application.validate(payload, place),
          deliver: (committed) => {
            application.deliver(committed);
            told();
          },
        },
        signer: signers[i] as (typeof signers)[number],
        scheme: ED25519,
        timing: TIMING,
      });
      return host.open(new ConsensusNode(committee, consensus));
    }),
  );
  /** Waits until some validators have so many blocks. */
  const reach = async (height: number, who: readonly number[]) => {
    while (who.some((i) => (applications[i]?.committed.length ?? 0) < height)) {
      await new Promise<void>((resolve) => {
        told = resolve;
      });
    }
  };
  return { hosts, applications, ports, reach };
}

describe.each(CONSENSUS_NAMES)("%s on sockets", (name) => {
  it("commits the same blocks everywhere and goes on when one validator is gone", async () => {
    const { hosts, applications, reach } = await startCluster(name);
    await reach(6, [0, 1, 2, 3]);
    await hosts[3]?.close();
    const height = applications[0]?.committed.length ?? 0;
    await reach(height + 4, [0, 1, 2]);
    const ids = applications.map(({ committed }) => committed.map(({ block }) => block.id));
    const shortest = Math.min(...ids.map(({ length }) => length));
    expect(shortest).toBeGreaterThanOrEqual(6);
    for (const list of ids) expect(list.slice(0, shortest)).toEqual(ids[0]?.slice(0, shortest));
    expect([...(applications[1]?.done ?? [])]).toEqual([1, 2, 3, 4, 5]);
  });
});

describe("a host on sockets", () => {
  it("listens to nobody who cannot show who it is", async () => {
    const keys = [1, 2].map((i) => ED25519.createSigner(new Uint8Array(32).fill(i)));
    const [own, peer] = keys;
    if (own === undefined || peer === undefined) throw new Error("two keys are needed");
    const port = await freePort();
    const addresses = new Map(
      keys.map(({ publicKey }, node) => [node, { port, publicKey }] as const),
    );
    const text: MessageCodec<unknown> = {
      encode: (body) => Buffer.from(String(body)),
      decode: (bytes) => Buffer.from(bytes).toString(),
    };
    const host = new SocketHost({
      self: 0,
      addresses,
      signer: own,
      scheme: ED25519,
      codecs: new Map([["text", text]]),
      machine,
    });
    open.push(host);
    const received: [number, NodeMessage][] = [];
    let tell: () => void = () => undefined;
    await host.open({
      start: () => undefined,
      onMessage: (from, message) => {
        received.push([from, message]);
        tell();
      },
    });
    /** Dials with an answer to the nonce, then sends a text; tells whether it came or was cut. */
    const dial = (answer: (nonce: Uint8Array) => Uint8Array) =>
      new Promise<string>((resolve) => {
        const socket = connect(port, "127.0.0.1");
        const reader = new FrameReader();
        tell = () => {
          socket.destroy();
          resolve("heard");
        };
        socket.on("error", () => undefined);
        socket.on("close", () => resolve("cut"));
        socket.on("data", (bytes) => {
          reader.push(bytes, ({ body }) => {
            const hello = encodeFrame("hello", answer(body));
            // In one piece, longer than a stranger's frames may be.
            socket.write(Buffer.concat([hello, encodeFrame("text", TEXT_BYTES)]));
            return true;
          });
        });
      });
    const introduce = (signer: typeof own, number: number) => (nonce: Uint8Array) => {
      const statement = `hello|${number}|0|${Buffer.from(nonce).toString("hex")}`;
      return Buffer.concat([Buffer.from([0, 0, 0, number]), signer.sign(statement)]);
    };
    expect(await dial(introduce(peer, 1))).toBe("heard");
    expect(received).toEqual([[1, { channel: "text", sizeBytes: TEXT.length, body: TEXT }]]);
    expect(await dial(introduce(own, 1))).toBe("cut");
    expect(await dial(introduce(peer, 7))).toBe("cut");
    expect(await dial(() => new Uint8Array(3))).toBe("cut");
    expect(await dial(() => new Uint8Array(2_000))).toBe("cut");
    expect(received.length).toBe(1);
  });
});

describe("FrameReader", () => {
  it("finds the frames however the stream is cut", () => {
    const prng = createPrng(1, "frames");
    const frames = Array.from({ length: 60 }, (_, i) => ({
      channel: `c${i}`,
      body: Uint8Array.from({ length: prng.nextInt(300) }, () => prng.nextInt(256)),
    }));
    const stream = Buffer.concat(frames.map(({ channel, body }) => encodeFrame(channel, body)));
    for (let round = 0; round < 8; round++) {
      const reader = new FrameReader();
      const found: Frame[] = [];
      const take = (frame: Frame) => found.push(frame) > 0;
      for (let at = 0; at < stream.length; ) {
        const end = at + 1 + prng.nextInt(round < 3 ? 3 : 2_000);
        expect(reader.push(stream.subarray(at, end), take)).toBe(true);
        at = end;
      }
      expect(found).toEqual(frames);
    }
  });

  it("refuses lengths that no frame has, and stops when it is told", () => {
    const none = () => true;
    expect(new FrameReader().push(Uint8Array.of(0, 0, 0, 0), none)).toBe(false);
    expect(new FrameReader().push(Uint8Array.of(255, 255, 255, 255), none)).toBe(false);
    expect(new FrameReader().push(Uint8Array.of(0, 0, 0, 2, 9, 65), none)).toBe(false);
    expect(new FrameReader(10).push(encodeFrame("text", new Uint8Array(6)), none)).toBe(false);
    const two = Buffer.concat([encodeFrame("a", new Uint8Array(1)), encodeFrame("b", TEXT_BYTES)]);
    const seen: string[] = [];
    const stop = ({ channel }: Frame) => seen.push(channel) === 0;
    expect(new FrameReader().push(two, stop)).toBe(false);
    expect(seen).toEqual(["a"]);
  });
});
