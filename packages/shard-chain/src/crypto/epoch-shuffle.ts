import { hash } from "node:crypto";
import { createPrng } from "@fmlab/sim";
import type { NodeId } from "../node/host.ts";
import { type VrfKey, verifyVrf } from "./ecvrf.ts";

/** A node's share in the next epoch's randomness. */
export interface EpochContribution {
  readonly node: NodeId;
  readonly proof: Uint8Array;
}

/** What a node's function is applied to: the epoch and the randomness before it. */
function epochInput(epoch: number, seed: string): Uint8Array {
  return Buffer.from(`epoch|${epoch}|${seed}`);
}

/** A node's share; the function has one output for each input, so there is nothing to choose. */
export function contributeToEpoch(
  node: NodeId,
  key: VrfKey,
  epoch: number,
  seed: string,
): EpochContribution {
  return { node, proof: key.prove(epochInput(epoch, seed)) };
}

/**
 * Randomness of an epoch: the hash of the outputs of all valid shares, by node. One share of a
 * correct node makes it unpredictable; who may see the others' shares first can still choose to
 * leave its own out, which is one bit of choice for each faulty node.
 *
 * @param publicKeyOf undefined for a node that has no say
 * @returns undefined when no share is valid
 */
export function epochSeed(
  epoch: number,
  seed: string,
  contributions: readonly EpochContribution[],
  publicKeyOf: (node: NodeId) => Uint8Array | undefined,
): string | undefined {
  const outputs = new Map<NodeId, string>();
  for (const { node, proof } of contributions) {
    const publicKey = publicKeyOf(node);
    const output = publicKey && verifyVrf(publicKey, epochInput(epoch, seed), proof);
    if (output !== undefined) outputs.set(node, Buffer.from(output).toString("hex"));
  }
  if (outputs.size === 0) return undefined;
  const ordered = [...outputs].sort(([a], [b]) => a - b);
  return hash("sha256", ["epoch-seed", epoch, seed, ...ordered.flat()].join("|"));
}

/**
 * Deals nodes to shards at random: everybody who knows the seed deals alike, and shards differ in
 * size by one at most.
 *
 * @param seed hex, from `epochSeed`
 * @returns the nodes of each shard, by rising id
 */
export function dealShards(seed: string, nodes: readonly NodeId[], shards: number): NodeId[][] {
  const prng = createPrng(BigInt(`0x${seed.slice(0, 16)}`), seed);
  const dealt = Array.from({ length: shards }, (): NodeId[] => []);
  prng.shuffle([...nodes].sort((a, b) => a - b)).forEach((node, i) => {
    dealt[i % shards]?.push(node);
  });
  return dealt.map((members) => members.sort((a, b) => a - b));
}

/**
 * Probability that a shard of `shardSize` of `nodes`, drawn at random, gets a third or more of
 * faulty nodes: the tail of the hypergeometric distribution.
 */
export function shardFailureProbability(nodes: number, faulty: number, shardSize: number): number {
  let sum = 0;
  for (let x = Math.ceil(shardSize / 3); x <= Math.min(faulty, shardSize); x++) {
    const others = shardSize - x;
    if (others > nodes - faulty) continue;
    const log =
      logChoose(faulty, x) + logChoose(nodes - faulty, others) - logChoose(nodes, shardSize);
    sum += Math.exp(log);
  }
  return Math.min(1, sum);
}

function logChoose(n: number, k: number): number {
  let log = 0;
  for (let i = 1; i <= k; i++) log += Math.log((n - k + i) / i);
  return log;
}
