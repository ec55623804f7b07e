import { ByteWriter } from "../bytes/byte-writer.ts";
import { type Digest, EMPTY_DIGEST, sha256 } from "./hash.ts";
import { type StateValue, writeStateValue } from "./state-value.ts";

// A sparse binary Merkle tree over 256-bit paths, persistent: an update makes new nodes along the
// changed paths and shares all others, so every version stays readable as long as somebody holds
// its root, and a fork costs nothing. A subtree with one leaf is that leaf, so the tree over n
// values is about log2(n) deep, and its shape and root depend on the values only, not on history.

/** A value and where it stands. */
export interface LeafNode {
  readonly path: Digest;
  readonly value: StateValue;
  /** Empty until somebody asks for it. */
  hash: Digest;
}

/** Two subtrees that hold two leaves or more together. */
export interface BranchNode {
  readonly left: TreeNode | undefined;
  readonly right: TreeNode | undefined;
  /** Empty until somebody asks for it. */
  hash: Digest;
}

/** A subtree that is not empty. */
export type TreeNode = LeafNode | BranchNode;

/** A path and its new value; undefined takes the path out. */
export type TreeChange = readonly [path: Digest, value: StateValue | undefined];

/** True for a leaf. */
export function isLeaf(node: TreeNode): node is LeafNode {
  return "path" in node;
}

/** Bit `depth` of a path, the most significant bit of each byte first. */
export function bitOf(path: Digest, depth: number): 0 | 1 {
  return ((path.charCodeAt(depth >> 3) >> (7 - (depth & 7))) & 1) as 0 | 1;
}

/** The value at `path`; undefined when there is none. O(depth). */
export function lookUp(root: TreeNode | undefined, path: Digest): StateValue | undefined {
  let node = root;
  for (let depth = 0; node !== undefined; depth++) {
    if (isLeaf(node)) return node.path === path ? node.value : undefined;
    node = bitOf(path, depth) === 0 ? node.left : node.right;
  }
  return undefined;
}

/**
 * The tree after all changes at once: each node is made, and later hashed, once a batch.
 *
 * @param changes by rising path, each path once
 */
export function updateTree(
  root: TreeNode | undefined,
  changes: readonly TreeChange[],
): TreeNode | undefined {
  return change(root, changes, 0, changes.length, 0);
}

/** Applies `changes[from..to)`, which share the first `depth` bits, to the subtree there. */
function change(
  node: TreeNode | undefined,
  changes: readonly TreeChange[],
  from: number,
  to: number,
  depth: number,
): TreeNode | undefined {
  if (from === to) return node;
  if (node === undefined || isLeaf(node)) return growFrom(node, changes, from, to, depth);
  const middle = splitAt(changes, from, to, depth);
  const left = change(node.left, changes, from, middle, depth + 1);
  const right = change(node.right, changes, middle, to, depth + 1);
  return left === node.left && right === node.right ? node : join(left, right);
}

/** Like `change`, where at most one leaf stood. */
function growFrom(
  leaf: LeafNode | undefined,
  changes: readonly TreeChange[],
  from: number,
  to: number,
  depth: number,
): TreeNode | undefined {
  if (to - from === 1) {
    const [path, value] = changes[from] as TreeChange;
    if (leaf === undefined || leaf.path === path) {
      return value === undefined ? undefined : { path, value, hash: "" };
    }
    if (value === undefined) return leaf;
  }
  const middle = splitAt(changes, from, to, depth);
  const onRight = leaf !== undefined && bitOf(leaf.path, depth) === 1;
  const left = growFromOrKeep(onRight ? undefined : leaf, changes, from, middle, depth + 1);
  const right = growFromOrKeep(onRight ? leaf : undefined, changes, middle, to, depth + 1);
  return join(left, right);
}

function growFromOrKeep(
  leaf: LeafNode | undefined,
  changes: readonly TreeChange[],
  from: number,
  to: number,
  depth: number,
): TreeNode | undefined {
  return from === to ? leaf : growFrom(leaf, changes, from, to, depth);
}

/** A branch, or what is left of one: a lone leaf moves up, so that the shape has no history. */
function join(left: TreeNode | undefined, right: TreeNode | undefined): TreeNode | undefined {
  if (left === undefined) {
    if (right === undefined || isLeaf(right)) return right;
  } else if (right === undefined && isLeaf(left)) {
    return left;
  }
  return { left, right, hash: "" };
}

/** First change whose bit at `depth` is 1: those before it go left. */
function splitAt(changes: readonly TreeChange[], from: number, to: number, depth: number): number {
  let low = from;
  let high = to;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (bitOf((changes[middle] as TreeChange)[0], depth) === 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

const LEAF_TAG = 0;
const BRANCH_TAG = 1;
const scratch = new ByteWriter(4096);

/** Hash of a subtree, computed once a node: SHA-256 with a tag for leaf and branch. */
export function hashTree(node: TreeNode | undefined): Digest {
  if (node === undefined) return EMPTY_DIGEST;
  if (node.hash === "") {
    node.hash = isLeaf(node)
      ? hashLeafValue(node.path, node.value)
      : hashBranch(hashTree(node.left), hashTree(node.right));
  }
  return node.hash;
}

/** Hash of two subtrees' hashes. */
export function hashBranch(left: Digest, right: Digest): Digest {
  return sha256(scratch.reset().byte(BRANCH_TAG).latin1(left).latin1(right).written);
}

/** Hash of a leaf, from the encoding of its value. */
export function hashLeaf(path: Digest, valueBytes: Uint8Array): Digest {
  return sha256(scratch.reset().byte(LEAF_TAG).latin1(path).bytes(valueBytes).written);
}

function hashLeafValue(path: Digest, value: StateValue): Digest {
  return hashLeaf(path, encodeStateValue(value));
}

const valueScratch = new ByteWriter(1024);

/** A value's canonical encoding; valid until the next call: copy what must last. */
export function encodeStateValue(value: StateValue): Uint8Array {
  writeStateValue(valueScratch.reset(), value);
  return valueScratch.written;
}

/** Every leaf, by rising path. */
export function* leavesOf(node: TreeNode | undefined): Generator<LeafNode> {
  if (node === undefined) return;
  if (isLeaf(node)) {
    yield node;
    return;
  }
  yield* leavesOf(node.left);
  yield* leavesOf(node.right);
}
