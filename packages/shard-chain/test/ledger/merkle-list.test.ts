import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { digestToHex, EMPTY_DIGEST, sha256 } from "../../src/ledger/hash.ts";
import {
  listRoot,
  listRootOfDigests,
  proveItem,
  verifyItem,
} from "../../src/ledger/merkle-list.ts";

const items = (count: number) => Array.from({ length: count }, (_, i) => Uint8Array.of(i, i + 1));

/** RFC 6962, section 2.1, word by word. */
function naiveRoot(list: readonly Uint8Array[]): Buffer {
  const sha = (...parts: Uint8Array[]) =>
    createHash("sha256").update(Buffer.concat(parts)).digest();
  const [only] = list;
  if (list.length === 1 && only !== undefined) return sha(Uint8Array.of(0), only);
  let split = 1;
  while (2 * split < list.length) split *= 2;
  return sha(Uint8Array.of(1), naiveRoot(list.slice(0, split)), naiveRoot(list.slice(split)));
}

describe("the Merkle tree over a list", () => {
  it("has the roots of RFC 6962 for every length up to 70", () => {
    for (let length = 1; length <= 70; length++) {
      expect(listRoot(items(length))).toBe(naiveRoot(items(length)).toString("latin1"));
    }
    expect(listRoot([])).toBe(EMPTY_DIGEST);
  });

  it("has the root of the published test vector of Certificate Transparency", () => {
    const inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"];
    const last = "606162636465666768696a6b6c6d6e6f";
    const list = [...inputs, last].map((hex) => Uint8Array.from(Buffer.from(hex, "hex")));
    expect(digestToHex(listRoot(list))).toBe(
      "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    );
  });

  it("gives lists of digests the root of their bytes", () => {
    const digests = items(9).map(sha256);
    expect(listRootOfDigests(digests)).toBe(
      listRoot(digests.map((digest) => Buffer.from(digest, "latin1"))),
    );
  });

  it("proves every item of every length up to 40 at its index, and only there", () => {
    for (let length = 1; length <= 40; length++) {
      const list = items(length);
      const root = listRoot(list);
      for (let index = 0; index < length; index++) {
        const proof = proveItem(list, index);
        const item = list[index] as Uint8Array;
        expect(verifyItem(root, item, proof)).toBe(true);
        expect(verifyItem(root, Uint8Array.of(99), proof)).toBe(false);
        expect(verifyItem(root, item, { ...proof, index: index + 1 })).toBe(false);
        const tooLong = { ...proof, siblings: [...proof.siblings, EMPTY_DIGEST] };
        expect(verifyItem(root, item, tooLong)).toBe(false);
        const [, ...tooShort] = proof.siblings;
        if (length > 1)
          expect(verifyItem(root, item, { ...proof, siblings: tooShort })).toBe(false);
      }
    }
  });
});
