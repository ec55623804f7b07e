import { beforeEach, describe, expect, it } from "vitest";
import { ED25519, type Signer } from "../../src/crypto/signatures.ts";
import { Committee } from "../../src/node/committee.ts";
import {
  type Attestation,
  type CertifiedBatch,
  certify,
  isUnderRoot,
  makeBatch,
  makeOutbox,
  type OutboxCertificate,
  outboxStatement,
} from "../../src/runtime/batch.ts";
import { CertificateCheck } from "../../src/runtime/certificate-check.ts";
import type { CrossWireMessage } from "../../src/runtime/cross-wire.ts";
import { Directory } from "../../src/runtime/directory.ts";
import { Outbound } from "../../src/runtime/outbound.ts";

const SIZE = 4;
const signers = [0, 1].map((chain) =>
  Array.from({ length: SIZE }, (_, i) =>
    ED25519.createSigner(new Uint8Array(32).fill(10 * chain + i + 1)),
  ),
);
const signerOf = (chain: number, validator: number) => signers[chain]?.[validator] as Signer;
const directory = new Directory(
  [0, 1].map((id) => ({ id, name: `shard-${id}`, isShard: true, validators: SIZE })),
  signers.map((own, chain) => {
    const validators = own.map(({ publicKey }, i) => ({
      node: SIZE * chain + i,
      power: 1,
      publicKey,
    }));
    return new Committee(`shard-${chain}`, validators);
  }),
);
const outbox = makeOutbox(0, 6, [
  makeBatch({ from: 0, to: 1, sequence: 1 }, [{ kind: "pay", data: 1 }]),
  makeBatch({ from: 0, to: 1, sequence: 2 }, [{ kind: "pay", data: 2 }]),
]);
const statement = outboxStatement("shard-0", 6, outbox.root);

function attestation(validator: number, signer = signerOf(0, validator)): Attestation {
  return { validator, signature: signer.sign(statement) };
}

describe("the certificate of a block's messages", () => {
  const check = new CertificateCheck(directory, ED25519, { charge: () => undefined });
  const isValid = (change: Partial<OutboxCertificate>) => {
    const attestations = [attestation(0), attestation(2)];
    return check.isValid({ chain: 0, height: 6, root: outbox.root, attestations, ...change });
  };

  it("needs signatures of more than a third of the sending committee", () => {
    expect(isValid({})).toBe(true);
    expect(isValid({ attestations: [attestation(0)] })).toBe(false);
    expect(isValid({ attestations: [attestation(1), attestation(1)] })).toBe(false);
  });

  it("holds for that height, root and committee only", () => {
    expect(isValid({ height: 7 })).toBe(false);
    expect(isValid({ root: "\0".repeat(32) })).toBe(false);
    expect(isValid({ chain: 1 })).toBe(false);
    expect(isValid({ chain: 9 })).toBe(false);
    const forged = attestation(2, signerOf(1, 2));
    expect(isValid({ attestations: [attestation(0), forged] })).toBe(false);
  });

  it("covers every batch under its root, and no other", () => {
    const certificate = { chain: 0, height: 6, root: outbox.root, attestations: [] };
    const second = certify(outbox, 1, certificate);
    expect(isUnderRoot(second)).toBe(true);
    const messages = [{ kind: "pay", data: 3 }];
    const other = makeBatch({ from: 0, to: 1, sequence: 2 }, messages);
    expect(isUnderRoot({ ...second, batch: other })).toBe(false);
    expect(isUnderRoot({ ...second, proof: { ...second.proof, index: 0 } })).toBe(false);
  });
});

describe("a validator that sends its chain's messages", () => {
  const sent: { chain: number; validator: number; message: CrossWireMessage }[] = [];
  const create = (index: number) =>
    new Outbound({
      chain: 0,
      index,
      directory,
      sign: (text) => signerOf(0, index).sign(text),
      send: (chain, validator, message) => sent.push({ chain, validator, message }),
      isSigned: ({ validator, signature }, text) =>
        ED25519.verify(signerOf(0, validator).publicKey, text, signature),
    });
  const batchesSent = () =>
    sent.flatMap(({ message }) => (message.type === "batch" ? [message.certified] : []));
  const attest = (validator: number, root = outbox.root) => {
    const signed = outboxStatement("shard-0", 6, root);
    const signature = signerOf(0, validator).sign(signed);
    return { type: "attest", height: 6, root, validator, signature } as const;
  };

  beforeEach(() => {
    sent.length = 0;
  });

  it("carries them in its turn, once another has found the same", () => {
    const carrier = create(6 % SIZE);
    carrier.onExecuted(outbox);
    expect(batchesSent()).toEqual([]);
    carrier.onAttest(1, attest(1, "\x01".repeat(32)));
    expect(batchesSent()).toEqual([]);
    carrier.onAttest(1, attest(1));
    expect(batchesSent()).toHaveLength(2 * SIZE);
    const check = new CertificateCheck(directory, ED25519, { charge: () => undefined });
    const isSound = (one: CertifiedBatch) => isUnderRoot(one) && check.isValid(one.certificate);
    expect(batchesSent().every(isSound)).toBe(true);
  });

  it("counts an attestation only from the validator that signed it", () => {
    const carrier = create(6 % SIZE);
    carrier.onExecuted(outbox);
    carrier.onAttest(3, attest(1));
    carrier.onAttest(1, { ...attest(1), signature: new Uint8Array(64) });
    expect(batchesSent()).toEqual([]);
  });

  it("hands them to whoever asks, also when it was not its turn, until they are confirmed", () => {
    const other = create(0);
    other.onAttest(1, attest(1));
    other.onExecuted(outbox);
    expect(batchesSent()).toEqual([]);
    const want = { type: "want", chain: 1, sequence: 2 } as const;
    other.onWant(3, want);
    expect(batchesSent().map(({ batch }) => batch.sequence)).toEqual([2]);
    // One validator may lie about how far its chain has come; two of four may not.
    other.onConfirmed(1, 0, 2);
    other.onWant(3, want);
    expect(batchesSent()).toHaveLength(2);
    other.onConfirmed(1, 1, 2);
    other.onWant(3, want);
    expect(batchesSent()).toHaveLength(2);
  });

  it("says stored blocks again after a restart, until their receivers have confirmed them", () => {
    const attested = () =>
      sent.flatMap(({ message }) => (message.type === "attest" ? [message.height] : []));
    const back = create(0);
    back.onExecuted(outbox, true);
    expect(attested()).toEqual([]);
    back.resend();
    expect(attested()).toEqual([6, 6, 6]);
    back.onConfirmed(1, 0, 2);
    back.onConfirmed(1, 1, 1);
    back.resend();
    expect(attested()).toHaveLength(6);
    back.onConfirmed(1, 1, 2);
    back.resend();
    expect(attested()).toHaveLength(6);
  });
});
