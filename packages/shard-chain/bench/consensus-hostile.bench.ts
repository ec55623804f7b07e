/**
 * Hostile bytes against one validator of each consensus: messages of every kind with bytes changed,
 * cut off or added. It must not throw, must not accept anything that is not signed, must not grow,
 * and must commit with its peers afterwards. The messages are those of runs with and without a
 * leader, and of schedules of faulty validators on another chain, which nobody here has signed.
 * Also what shards, clients and duties send each other: reading it must never throw.
 *
 * `npm run bench -- consensus-hostile [--messages 100000] [--scheme ed25519|bls]`; ends with 1
 * otherwise.
 */
import { parseArgs } from "node:util";
import { createPrng, type Prng } from "@fmlab/sim";
import { blame } from "../src/adversary/blame.ts";
import { drawScenario } from "../src/adversary/draw-scenario.ts";
import { wireCodecs } from "../src/cluster/wire-codecs.ts";
import type { ConsensusMessage } from "../src/consensus/consensus-node.ts";
import { type SignatureSchemeName, signatureScheme } from "../src/crypto/signatures.ts";
import { CONSENSUS_NAMES, type ConsensusName } from "../src/node/consensus.ts";
import { wireSamples } from "../test/cluster/wire-samples.ts";
import { SmallWorld } from "../test/consensus/small-world.ts";

/** Growth that counts as none: what the allocator moves by itself; chosen. */
const GROWTH_MIB_MAX = 16;

const { values } = parseArgs({
  options: {
    messages: { type: "string", default: "100000" },
    scheme: { type: "string", default: "ed25519" },
  },
});
const scheme = signatureScheme(values.scheme as SignatureSchemeName);
const count = Number(values.messages);
const results = CONSENSUS_NAMES.map(attack);
console.table(results);
const channels = readHostileChannels();
console.table(channels);
process.exit([...results, ...channels].every(({ holds }) => holds) ? 0 : 1);

/** Messages of every kind that a consensus has. */
function messagesOf(name: ConsensusName): ConsensusMessage[] {
  const calm = new SmallWorld({ name, scheme, jitter: 0.5 }).run(400);
  const headless = new SmallWorld({ name, scheme, jitter: 0.5 });
  headless.world.crash(0);
  headless.run(900);
  const foreign = [1, 2, 3, 4, 5, 6].flatMap((seed) => [
    ...blame(drawScenario(name, seed, "below-third")).outcome.messages,
  ]);
  return [...calm.messages, ...headless.messages, ...foreign];
}

function attack(name: ConsensusName) {
  const prng = createPrng(1, name);
  const messages = messagesOf(name);
  const victim = new SmallWorld({ name, scheme }).run(0);
  const frames = messages.map((message) => Buffer.from(victim.codec.encode(message)));
  const originals = new Set(frames.map((frame) => frame.toString("base64")));
  const eventsBefore = victim.world.simulation.pendingCount;
  const kinds = new Set<string>();
  let readable = 0;
  let heapMiB = 0;
  for (let i = 0; i < count; i++) {
    if (i === Math.floor(count / 10)) heapMiB = usedHeapMiB();
    const bytes = mutate(prng.pick(frames), prng);
    if (originals.has(bytes.toString("base64"))) continue;
    const message = victim.codec.decode(bytes);
    if (message === undefined) continue;
    readable++;
    kinds.add(message.type);
    // Questions are not signed and change nothing.
    if (message.type === "status" || message.type === "request") continue;
    victim.validators[3]?.onMessage(prng.nextInt(3), message);
  }
  const growthMiB = usedHeapMiB() - heapMiB;
  const accepted = victim.validators[3]?.committedHeight ?? 0;
  const answers = victim.world.simulation.pendingCount - eventsBefore;
  victim.run(1_000);
  const height = victim.chain(3).length;
  const all = new Set(messages.map(({ type }) => type)).size;
  const isWhole = accepted === 0 && answers === 0 && height > 10;
  const holds = isWhole && growthMiB < GROWTH_MIB_MAX && kinds.size === all;
  const told = { name, scheme: scheme.name, messages: count, kinds: `${kinds.size} of ${all}` };
  return { ...told, readable, accepted, answers, growthMiB, height, holds };
}

/** Decoders of everything else that comes over sockets. */
function readHostileChannels() {
  const codecs = wireCodecs("tendermint", ["shard-0", "shard-1"]);
  return wireSamples().map(({ channel, bodies }) => {
    const codec = codecs.get(channel);
    if (codec === undefined) throw new Error(`no codec for ${channel}`);
    const prng = createPrng(2, channel);
    const frames = bodies.map((body) => Buffer.from(codec.encode(body)));
    let readable = 0;
    const heapMiB = usedHeapMiB();
    for (let i = 0; i < count; i++) {
      if (codec.decode(mutate(prng.pick(frames), prng)) !== undefined) readable++;
    }
    const growthMiB = usedHeapMiB() - heapMiB;
    return { channel, messages: count, readable, growthMiB, holds: growthMiB < GROWTH_MIB_MAX };
  });
}

function mutate(frame: Buffer, prng: Prng): Buffer {
  const changed = Buffer.from(frame);
  for (let i = 0; i <= prng.nextInt(4); i++) {
    changed[prng.nextInt(changed.length)] = prng.nextInt(256);
  }
  if (prng.chance(0.1)) return changed.subarray(0, prng.nextInt(changed.length));
  return prng.chance(0.1) ? Buffer.concat([changed, frame.subarray(0, 40)]) : changed;
}

function usedHeapMiB(): number {
  globalThis.gc?.();
  return Math.round(process.memoryUsage().heapUsed / 2 ** 20);
}
