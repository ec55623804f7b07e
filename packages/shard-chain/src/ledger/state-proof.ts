import { ByteReader } from "../bytes/byte-reader.ts";
import { ByteWriter } from "../bytes/byte-writer.ts";
import { type Digest, EMPTY_DIGEST, sha256OfText } from "./hash.ts";
import {
  bitOf,
  encodeStateValue,
  hashBranch,
  hashLeaf,
  hashTree,
  isLeaf,
  type TreeNode,
} from "./state-tree.ts";
import { readStateValue, type StateKey, type StateValue } from "./state-value.ts";

/** Shows against a state root which value stands at a key, or that none does. */
export interface StateProof {
  /** Hashes beside the key's way, from the root down. */
  readonly siblings: readonly Digest[];
  /**
   * The leaf where the way ends: the key's own, or one that stands in its place and so shows that
   * the key has none. Undefined when the way ends in an empty subtree.
   */
  readonly leaf: { readonly path: Digest; readonly valueBytes: Uint8Array } | undefined;
}

/** What a genuine proof shows. */
export type ProvenValue = { found: true; value: StateValue } | { found: false };

const pathCache = new Map<StateKey, Digest>();
/** About 50 MB of paths; beyond it they are computed anew, which costs little more. */
const PATHS_CACHED_MAX = 1 << 18;

/** Where a key stands in the tree: the SHA-256 of its name, so that nobody can unbalance it. */
export function pathOf(key: StateKey): Digest {
  const known = pathCache.get(key);
  if (known !== undefined) return known;
  const path = sha256OfText(key);
  if (pathCache.size >= PATHS_CACHED_MAX) pathCache.clear();
  pathCache.set(key, path);
  return path;
}

/** The proof for a key, of inclusion or of exclusion. */
export function proveKey(root: TreeNode | undefined, key: StateKey): StateProof {
  const path = pathOf(key);
  const siblings: Digest[] = [];
  let node = root;
  for (let depth = 0; node !== undefined; depth++) {
    if (isLeaf(node)) {
      const valueBytes = Uint8Array.from(encodeStateValue(node.value));
      return { siblings, leaf: { path: node.path, valueBytes } };
    }
    const goesLeft = bitOf(path, depth) === 0;
    siblings.push(hashTree(goesLeft ? node.right : node.left));
    node = goesLeft ? node.left : node.right;
  }
  return { siblings, leaf: undefined };
}

/**
 * What the proof shows about the key in the state with that root; undefined for a proof that is
 * not genuine. Safe on any proof of the right type.
 */
export function verifyKey(
  root: Digest,
  key: StateKey,
  { siblings, leaf }: StateProof,
): ProvenValue | undefined {
  const path = pathOf(key);
  if (siblings.length > 256) return undefined;
  if (leaf !== undefined && !sharesPrefix(leaf.path, path, siblings.length)) return undefined;
  let hash = leaf === undefined ? EMPTY_DIGEST : hashLeaf(leaf.path, leaf.valueBytes);
  for (let depth = siblings.length - 1; depth >= 0; depth--) {
    const beside = siblings[depth] as Digest;
    hash = bitOf(path, depth) === 0 ? hashBranch(hash, beside) : hashBranch(beside, hash);
  }
  if (hash !== root) return undefined;
  if (leaf === undefined || leaf.path !== path) return { found: false };
  return { found: true, value: readStateValue(leaf.valueBytes) };
}

function sharesPrefix(one: Digest, other: Digest, bits: number): boolean {
  if (one.length !== 32) return false;
  for (let depth = 0; depth < bits; depth++) {
    if (bitOf(one, depth) !== bitOf(other, depth)) return false;
  }
  return true;
}

/** A proof as bytes; empty subtrees beside the way cost a bit each. */
export function encodeStateProof({ siblings, leaf }: StateProof): Uint8Array {
  const writer = new ByteWriter().uint(siblings.length);
  for (let first = 0; first < siblings.length; first += 8) {
    let bits = 0;
    for (let i = 0; i < 8; i++) {
      const sibling = siblings[first + i];
      if (sibling !== undefined && sibling !== EMPTY_DIGEST) bits |= 1 << i;
    }
    writer.byte(bits);
  }
  for (const sibling of siblings) if (sibling !== EMPTY_DIGEST) writer.latin1(sibling);
  writer.byte(leaf === undefined ? 0 : 1);
  if (leaf !== undefined) writer.latin1(leaf.path).bytes(leaf.valueBytes);
  return writer.copy();
}

/**
 * Reads a proof from its bytes. That it reads does not make it genuine: see `verifyKey`.
 *
 * @throws ShardChainError `BAD_BYTES`
 */
export function decodeStateProof(bytes: Uint8Array): StateProof {
  const reader = new ByteReader(bytes, "state proof");
  const count = reader.uint();
  if (count > 256) reader.fail("longer than a path");
  const bits = Array.from({ length: Math.ceil(count / 8) }, () => reader.byte());
  const siblings = Array.from({ length: count }, (_, i) =>
    (((bits[i >> 3] as number) >> (i & 7)) & 1) === 1 ? reader.latin1(32) : EMPTY_DIGEST,
  );
  if (count % 8 > 0 && (bits.at(-1) as number) >> (count % 8) > 0) reader.fail("stray bits");
  const hasLeaf = reader.flag();
  const leaf = hasLeaf ? { path: reader.latin1(32), valueBytes: reader.bytes() } : undefined;
  reader.end();
  return { siblings, leaf };
}
