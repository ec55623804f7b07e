import { generateKeyPairSync, verify } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  aggregateBls,
  BLS,
  ED25519,
  ELIDED,
  signatureScheme,
  verifyAggregateBls,
} from "../../src/crypto/index.ts";

const seed = (fill: number) => new Uint8Array(32).fill(fill);

describe("Ed25519", () => {
  it("signs as RFC 8032's first test says", () => {
    const secret = Buffer.from(
      "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
      "hex",
    );
    const signer = ED25519.createSigner(secret);
    expect(Buffer.from(signer.publicKey).toString("hex")).toBe(
      "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    );
    expect(Buffer.from(signer.sign("")).toString("hex")).toBe(
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bac" +
        "c61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    );
  });

  it("is what node verifies, and refuses keys and signatures that are none", () => {
    const { publicKey } = generateKeyPairSync("ed25519");
    expect(verify(null, Buffer.from("x"), publicKey, ED25519.createSigner(seed(1)).sign("x"))).toBe(
      false,
    );
    expect(ED25519.verify(seed(255), "x", new Uint8Array(64))).toBe(false);
    expect(ED25519.verify(new Uint8Array(3), "x", new Uint8Array(64))).toBe(false);
  });
});

describe.each([ED25519, BLS, ELIDED])("the scheme $name", (scheme) => {
  it("accepts a signature for its statement and key only", () => {
    expect(signatureScheme(scheme.name)).toBe(scheme);
    const one = scheme.createSigner(seed(1));
    const other = scheme.createSigner(seed(2));
    const signature = one.sign("shard-0|vote|1");
    expect(signature.length).toBe(scheme === BLS ? 96 : 64);
    expect(scheme.verify(one.publicKey, "shard-0|vote|1", signature)).toBe(true);
    expect(scheme.verify(one.publicKey, "shard-0|vote|2", signature)).toBe(false);
    expect(scheme.verify(other.publicKey, "shard-0|vote|1", signature)).toBe(false);
    expect(scheme.verify(one.publicKey, "shard-0|vote|1", signature.subarray(1))).toBe(false);
    expect(scheme.verify(one.publicKey, "shard-0|vote|1", signature.with(63, 77))).toBe(false);
  });
});

describe("BLS", () => {
  const signers = [1, 2, 3, 4].map((fill) => BLS.createSigner(seed(fill)));
  const signed = signers.map(({ publicKey, sign }, i) => {
    const statement = `vote of ${i}`;
    return { publicKey, statement, signature: sign(statement) };
  });

  it("checks many at once, and one wrong one or two swapped ones spoil them", () => {
    expect(BLS.verifyAll?.(signed)).toBe(true);
    const [first, second] = signed;
    if (first === undefined || second === undefined) throw new Error("two are needed");
    const swapped = [
      { ...first, signature: second.signature },
      { ...second, signature: first.signature },
      ...signed.slice(2),
    ];
    // Swapped signatures have the right sum: only factors tell.
    expect(BLS.verifyAll?.(swapped)).toBe(false);
    expect(BLS.verifyAll?.([{ ...first, statement: "another" }, ...signed.slice(1)])).toBe(false);
    expect(BLS.verifyAll?.([{ ...first, publicKey: new Uint8Array(48) }])).toBe(false);
  });

  it("puts many signatures into one of 96 bytes that stands for all of them", () => {
    const aggregate = aggregateBls(signed.map(({ signature }) => signature));
    expect(aggregate.length).toBe(96);
    expect(verifyAggregateBls(signed, aggregate)).toBe(true);
    expect(verifyAggregateBls(signed.slice(1), aggregate)).toBe(false);
    expect(verifyAggregateBls(signed, aggregate.with(40, 1))).toBe(false);
    const same = signers.map(({ publicKey, sign }) => ({
      publicKey,
      statement: "one for all",
      signature: sign("one for all"),
    }));
    const ofSame = aggregateBls(same.map(({ signature }) => signature));
    expect(verifyAggregateBls(same, ofSame)).toBe(false);
  });
});
