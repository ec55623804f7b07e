import { createHash } from "node:crypto";
import { createPrng, type Prng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { type Digest, EMPTY_DIGEST } from "../../src/ledger/hash.ts";
import {
  decodeStateProof,
  encodeStateProof,
  pathOf,
  proveKey,
  verifyKey,
} from "../../src/ledger/state-proof.ts";
import {
  bitOf,
  encodeStateValue,
  hashBranch,
  hashLeaf,
  hashTree,
  leavesOf,
  lookUp,
  type TreeNode,
  updateTree,
} from "../../src/ledger/state-tree.ts";
import type { StateValue } from "../../src/ledger/state-value.ts";

const word = (value: number): StateValue => ({ kind: "storage", value: BigInt(value) });

/** The root by its definition: recursion over the whole sorted set, no sharing, no batches. */
function naiveRoot(entries: readonly (readonly [Digest, StateValue])[], depth = 0): Digest {
  const sha = (...parts: (Uint8Array | string)[]) => {
    const bytes = parts.map((part) =>
      typeof part === "string" ? Buffer.from(part, "latin1") : part,
    );
    return createHash("sha256").update(Buffer.concat(bytes)).digest("binary");
  };
  const only = entries[0];
  if (only === undefined) return EMPTY_DIGEST;
  if (entries.length === 1) {
    const value = encodeStateValue(only[1]);
    expect(value.length).toBeLessThan(128);
    return sha("\0", only[0], Uint8Array.of(value.length), value);
  }
  const left = entries.filter(([path]) => bitOf(path, depth) === 0);
  const right = entries.filter(([path]) => bitOf(path, depth) === 1);
  return sha("\x01", naiveRoot(left, depth + 1), naiveRoot(right, depth + 1));
}

/** Paths that share long prefixes now and then, which hashes of keys hardly ever do. */
function randomPath(prng: Prng): Digest {
  const shared = prng.pick([0, 0, 1, 3, 20, 31]);
  return Array.from({ length: 32 }, (_, i) =>
    String.fromCharCode(i < shared ? 0xa5 : prng.nextInt(i < shared + 1 ? 4 : 256)),
  ).join("");
}

describe("the state tree", () => {
  it("has the root of the naive definition after every batch of random changes", () => {
    for (let seed = 0; seed < 12; seed++) {
      const prng = createPrng(seed);
      const known = Array.from({ length: 40 }, () => randomPath(prng));
      const model = new Map<Digest, StateValue>();
      let tree: TreeNode | undefined;
      for (let batch = 0; batch < 8; batch++) {
        const changes = new Map<Digest, StateValue | undefined>();
        for (let i = prng.nextInt(20); i >= 0; i--) {
          const value = prng.chance(0.4) ? undefined : word(1 + prng.nextInt(1000));
          changes.set(prng.pick(known), value);
        }
        for (const [path, value] of changes) {
          if (value === undefined) model.delete(path);
          else model.set(path, value);
        }
        tree = updateTree(
          tree,
          [...changes].sort(([a], [b]) => (a < b ? -1 : 1)),
        );
        expect(hashTree(tree)).toBe(naiveRoot([...model]));
        for (const path of known) expect(lookUp(tree, path)).toEqual(model.get(path));
        expect([...leavesOf(tree)].map(({ path }) => path)).toEqual([...model.keys()].sort());
      }
    }
  });

  it("keeps every older version as it was", () => {
    const prng = createPrng(7);
    const versions: { tree: TreeNode | undefined; root: Digest; values: Map<Digest, number> }[] =
      [];
    let tree: TreeNode | undefined;
    const values = new Map<Digest, number>();
    for (let i = 0; i < 60; i++) {
      const path = randomPath(prng);
      tree = updateTree(tree, [[path, word(i + 1)]]);
      values.set(path, i + 1);
      versions.push({ tree, root: hashTree(tree), values: new Map(values) });
    }
    for (const version of versions) {
      expect(naiveRoot([...version.values].map(([path, value]) => [path, word(value)]))).toBe(
        version.root,
      );
      for (const path of values.keys()) {
        const value = version.values.get(path);
        expect(lookUp(version.tree, path)).toEqual(value === undefined ? undefined : word(value));
      }
    }
  });
});

describe("state proofs", () => {
  const keys = Array.from({ length: 200 }, (_, i) => `r${i}`);
  const present = keys.slice(0, 120);
  const changes = present.map((key, i) => [pathOf(key), word(i + 1)] as const);
  const tree = updateTree(
    undefined,
    changes.sort(([a], [b]) => (a < b ? -1 : 1)),
  );
  const root = hashTree(tree);

  it("show the value of every present key and the absence of every other, also as bytes", () => {
    keys.forEach((key, i) => {
      const proof = decodeStateProof(encodeStateProof(proveKey(tree, key)));
      const expected = i < 120 ? { found: true, value: word(i + 1) } : { found: false };
      expect(verifyKey(root, key, proof)).toEqual(expected);
    });
  });

  it("show the absence of a key in an empty state", () => {
    expect(verifyKey(EMPTY_DIGEST, "r1", proveKey(undefined, "r1"))).toEqual({ found: false });
  });

  it("show nothing under a dishonest root that has a leaf where it does not belong", () => {
    const key = present.find((name) => bitOf(pathOf(name), 0) === 1) ?? "";
    const victim = present.find((name) => bitOf(pathOf(name), 0) === 0) ?? "";
    const valueBytes = Uint8Array.from(encodeStateValue(word(1)));
    const leaf = { path: pathOf(key), valueBytes };
    const forged = hashBranch(hashLeaf(leaf.path, valueBytes), root);
    expect(verifyKey(forged, victim, { siblings: [root], leaf })).toBe(undefined);
  });

  it("show nothing about another key, another root or after any byte has changed", () => {
    for (const key of ["r3", "r150"]) {
      const proof = proveKey(tree, key);
      expect(verifyKey(hashTree(updateTree(tree, [[pathOf("x"), word(1)]])), key, proof)).toBe(
        undefined,
      );
      const honest = verifyKey(root, key, proof);
      const bytes = encodeStateProof(proof);
      for (let at = 0; at < bytes.length; at++) {
        const changed = Uint8Array.from(bytes);
        changed[at] = (changed[at] as number) ^ (1 << (at & 7));
        expect(outcomeOf(key, changed), `byte ${at} of the proof of ${key}`).toBe(undefined);
      }
      expect(honest?.found).toBe(key === "r3");
    }
    // A proof for one key may end at the place where another is absent, but never shows it there.
    const borrowed = verifyKey(root, "r4", proveKey(tree, "r3"));
    expect(borrowed?.found ?? false).toBe(false);
  });

  /** What bytes show: undefined also when they are no proof at all. */
  function outcomeOf(key: string, bytes: Uint8Array) {
    try {
      return verifyKey(root, key, decodeStateProof(bytes));
    } catch (error) {
      expect(error).toMatchObject({ code: "BAD_BYTES" });
      return undefined;
    }
  }
});
