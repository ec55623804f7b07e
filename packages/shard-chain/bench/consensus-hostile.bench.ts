/**
 * Hostile bytes against one validator of each consensus: messages of a real run with bytes changed,
 * cut off or added. It must not throw, must not accept anything that is not signed, must not grow,
 * and must commit with its peers afterwards.
 *
 * `npm run bench -- consensus-hostile [--messages 100000]`; ends with 1 otherwise.
 */
import { parseArgs } from "node:util";
import { createPrng, type Prng } from "@fmlab/sim";
import { ED25519 } from "../src/crypto/signatures.ts";
import { CONSENSUS_NAMES, type ConsensusName } from "../src/node/consensus.ts";
import { SmallWorld } from "../test/consensus/small-world.ts";

/** Growth that counts as none: what the allocator moves by itself; chosen. */
const GROWTH_MIB_MAX = 16;

const { values } = parseArgs({ options: { messages: { type: "string", default: "100000" } } });
const results = CONSENSUS_NAMES.map(attack);
console.table(results);
process.exit(results.every(({ holds }) => holds) ? 0 : 1);

function attack(name: ConsensusName) {
  const prng = createPrng(1, name);
  const source = new SmallWorld({ name, scheme: ED25519, jitter: 0.5 }).run(400);
  const frames = source.messages.map((message) => Buffer.from(source.codec.encode(message)));
  const originals = new Set(frames.map((frame) => frame.toString("base64")));
  const victim = new SmallWorld({ name, scheme: ED25519 }).run(0);
  const eventsBefore = victim.world.simulation.pendingCount;
  let readable = 0;
  let heapMiB = 0;
  const count = Number(values.messages);
  for (let i = 0; i < count; i++) {
    if (i === Math.floor(count / 10)) heapMiB = usedHeapMiB();
    const bytes = mutate(prng.pick(frames), prng);
    if (originals.has(bytes.toString("base64"))) continue;
    const message = victim.codec.decode(bytes);
    if (message === undefined) continue;
    readable++;
    // Questions are not signed and change nothing.
    if (message.type === "status" || message.type === "request") continue;
    victim.validators[3]?.onMessage(prng.nextInt(3), message);
  }
  const growthMiB = usedHeapMiB() - heapMiB;
  const accepted = victim.validators[3]?.committedHeight ?? 0;
  const answers = victim.world.simulation.pendingCount - eventsBefore;
  victim.run(1_000);
  const height = victim.chain(3).length;
  const holds = accepted === 0 && height > 10 && growthMiB < GROWTH_MIB_MAX;
  return { name, messages: count, readable, accepted, answers, growthMiB, height, holds };
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
