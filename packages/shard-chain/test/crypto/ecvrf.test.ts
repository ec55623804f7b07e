import { describe, expect, it } from "vitest";
import { createVrfKey, verifyVrf } from "../../src/crypto/index.ts";

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"));
const hex = (value: Uint8Array | undefined) => value && Buffer.from(value).toString("hex");

/** RFC 9381, appendix B.3, examples 16 to 18. */
const VECTORS = [
  {
    example: 16,
    secretKey: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    publicKey: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    input: "",
    proof:
      "8657106690b5526245a92b003bb079ccd1a92130477671f6fc01ad16f26f723f26f8a57ccaed74ee" +
      "1b190bed1f479d9727d2d0f9b005a6e456a35d4fb0daab1268a1b0db10836d9826a528ca76567805",
    output:
      "90cf1df3b703cce59e2a35b925d411164068269d7b2d29f3301c03dd757876ff" +
      "66b71dda49d2de59d03450451af026798e8f81cd2e333de5cdf4f3e140fdd8ae",
  },
  {
    example: 17,
    secretKey: "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    publicKey: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    input: "72",
    proof:
      "f3141cd382dc42909d19ec5110469e4feae18300e94f304590abdced48aed5933bf0864a62558b3e" +
      "d7f2fea45c92a465301b3bbf5e3e54ddf2d935be3b67926da3ef39226bbc355bdc9850112c8f4b02",
    output:
      "eb4440665d3891d668e7e0fcaf587f1b4bd7fbfe99d0eb2211ccec90496310eb" +
      "5e33821bc613efb94db5e5b54c70a848a0bef4553a41befc57663b56373a5031",
  },
  {
    example: 18,
    secretKey: "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
    publicKey: "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
    input: "af82",
    proof:
      "9bc0f79119cc5604bf02d23b4caede71393cedfbb191434dd016d30177ccbf8096bb474e53895c36" +
      "2d8628ee9f9ea3c0e52c7a5c691b6c18c9979866568add7a2d41b00b05081ed0f58ee5e31b3a970e",
    output:
      "645427e5d00c62a23fb703732fa5d892940935942101e456ecca7bb217c61c45" +
      "2118fec1219202a0edcf038bb6373241578be7217ba85a2687f7a0310b2df19f",
  },
];

describe("ECVRF-EDWARDS25519-SHA512-TAI", () => {
  it.each(VECTORS)("gives key, proof and output of RFC 9381's example $example", (vector) => {
    const key = createVrfKey(bytes(vector.secretKey));
    expect(hex(key.publicKey)).toBe(vector.publicKey);
    const proof = key.prove(bytes(vector.input));
    expect(hex(proof)).toBe(vector.proof);
    expect(hex(verifyVrf(key.publicKey, bytes(vector.input), proof))).toBe(vector.output);
  });

  it("accepts no changed proof, no other input and no other key", () => {
    const [one, other] = VECTORS.map(({ secretKey }) => createVrfKey(bytes(secretKey)));
    if (one === undefined || other === undefined) throw new Error("two keys are needed");
    const input = bytes("0102");
    const proof = one.prove(input);
    for (const at of [0, 20, 31, 32, 47, 48, 60, 79]) {
      const changed = proof.with(at, (proof[at] as number) ^ 1);
      expect(verifyVrf(one.publicKey, input, changed)).toBeUndefined();
    }
    expect(verifyVrf(one.publicKey, bytes("0103"), proof)).toBeUndefined();
    expect(verifyVrf(other.publicKey, input, proof)).toBeUndefined();
    expect(verifyVrf(one.publicKey, input, proof.subarray(1))).toBeUndefined();
    // Keys of low order would make every proof pass.
    const ofOrderOne = bytes(`01${"00".repeat(31)}`);
    expect(verifyVrf(ofOrderOne, input, proof)).toBeUndefined();
    expect(verifyVrf(bytes("ff".repeat(32)), input, proof)).toBeUndefined();
    expect(() => createVrfKey(new Uint8Array(31))).toThrowError(
      expect.objectContaining({ code: "BAD_BYTES" }),
    );
  });
});
