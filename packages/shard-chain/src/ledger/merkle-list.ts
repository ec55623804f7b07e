import { ByteWriter } from "../bytes/byte-writer.ts";
import { type Digest, EMPTY_DIGEST, sha256 } from "./hash.ts";

// The Merkle tree over a list of RFC 6962, section 2.1 (Certificate Transparency): a leaf and an
// inner node hash with different tags, and a list's left half is the largest power of two below its
// length, so that a proof shows the position as well.

/** Shows that an item stands at an index of a list with a known root and length. */
export interface ListProof {
  readonly index: number;
  readonly length: number;
  /** Hashes beside the item's way, from the item up. */
  readonly siblings: readonly Digest[];
}

const scratch = new ByteWriter(1024);

/** Root over the items in their order; `EMPTY_DIGEST` of an empty list. */
export function listRoot(items: readonly Uint8Array[]): Digest {
  return rootOfLeaves(items.map(hashItem));
}

/** Root over items that are digests themselves, e.g. transaction ids. */
export function listRootOfDigests(items: readonly Digest[]): Digest {
  return rootOfLeaves(items.map(hashDigestItem));
}

function rootOfLeaves(leaves: readonly Digest[]): Digest {
  let level = leaves;
  if (level.length === 0) return EMPTY_DIGEST;
  // Pairing from the left and moving a lone last node up gives the same tree as splitting at the
  // largest power of two.
  while (level.length > 1) level = parentsOf(level);
  return level[0] as Digest;
}

function parentsOf(level: readonly Digest[]): Digest[] {
  const parents: Digest[] = [];
  for (let i = 0; i < level.length; i += 2) {
    const left = level[i] as Digest;
    const right = level[i + 1];
    parents.push(right === undefined ? left : hashPair(left, right));
  }
  return parents;
}

/** The proof for the item at `index`, 0 <= index < items.length. */
export function proveItem(items: readonly Uint8Array[], index: number): ListProof {
  const siblings: Digest[] = [];
  let level = items.map(hashItem);
  for (let at = index; level.length > 1; at >>= 1) {
    const sibling = level[at ^ 1];
    if (sibling !== undefined) siblings.push(sibling);
    level = parentsOf(level);
  }
  return { index, length: items.length, siblings };
}

/** Whether the proof shows that `item` stands at `proof.index` under `root`. Safe on any proof. */
export function verifyItem(root: Digest, item: Uint8Array, proof: ListProof): boolean {
  const { index, length, siblings } = proof;
  if (!(Number.isSafeInteger(length) && Number.isInteger(index))) return false;
  if (index < 0 || index >= length || length > 2 ** 31) return false;
  let hash = hashItem(item);
  let used = 0;
  for (let at = index, width = length; width > 1; at >>= 1, width = (width + 1) >>> 1) {
    if ((at ^ 1) >= width) continue;
    const sibling = siblings[used++];
    if (sibling === undefined || sibling.length !== 32) return false;
    hash = (at & 1) === 1 ? hashPair(sibling, hash) : hashPair(hash, sibling);
  }
  return used === siblings.length && hash === root;
}

function hashItem(item: Uint8Array): Digest {
  return sha256(scratch.reset().byte(0).raw(item).written);
}

function hashDigestItem(item: Digest): Digest {
  return sha256(scratch.reset().byte(0).latin1(item).written);
}

function hashPair(left: Digest, right: Digest): Digest {
  return sha256(scratch.reset().byte(1).latin1(left).latin1(right).written);
}
