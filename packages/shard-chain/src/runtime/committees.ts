import type { Prng } from "@fmlab/sim";
import type { Signer } from "../crypto/signatures.ts";
import { Committee } from "../node/committee.ts";
import type { NodeId } from "../node/host.ts";
import type { ChainInfo } from "../protocol/chain.ts";
import type { DeploymentSettings } from "./world-settings.ts";

/** The chains of a deployment: shards, then the committees of its protocol. */
export function chainsOf({
  shards,
  validators,
  protocol,
}: Pick<DeploymentSettings, "shards" | "validators" | "protocol">): ChainInfo[] {
  const own = Array.from({ length: shards }, (_, id) => {
    return { id, name: `shard-${id}`, isShard: true, validators };
  });
  const added = (protocol.committees ?? []).map((spec, i) => {
    const { name, validators: count = validators } = spec;
    return { id: shards + i, name, isShard: false, validators: count };
  });
  return [...own, ...added];
}

/** Committees of equal power, nodes numbered chain by chain. */
export function committeesOf(
  chains: readonly ChainInfo[],
  signers: readonly Signer[],
): Committee[] {
  let node = 0;
  return chains.map(({ name, validators }) => {
    const members = Array.from({ length: validators }, () => {
      const { publicKey } = signers[node] as Signer;
      return { node: node++, power: 1, publicKey };
    });
    return new Committee(name, members);
  });
}

/** Secret bytes of a node's key; they follow from the seed, as all of a simulation does. */
export function keySeed(prng: Prng, node: NodeId): Uint8Array {
  const draw = prng.fork(`key ${node}`);
  return Uint8Array.from({ length: 32 }, () => draw.nextInt(256));
}
