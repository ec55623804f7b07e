import { VoteCheck } from "../consensus/vote-check.ts";
import type { SignatureScheme } from "../crypto/signatures.ts";
import type { Host } from "../node/host.ts";
import { type OutboxCertificate, outboxStatement } from "./batch.ts";
import type { Directory } from "./directory.ts";

/** Checks certificates of any chain's outboxes; each once, batches of one block share theirs. */
export class CertificateCheck {
  readonly #directory: Directory;
  readonly #checks: readonly VoteCheck[];
  readonly #known = new WeakMap<OutboxCertificate, boolean>();

  /** @param host charged for each signature that is checked */
  constructor(directory: Directory, scheme: SignatureScheme, host: Pick<Host, "charge">) {
    this.#directory = directory;
    this.#checks = directory.chains.map(
      ({ id }) =>
        new VoteCheck(directory.committeeOf(id), scheme, (operation, count) =>
          host.charge(operation, count),
        ),
    );
  }

  /** Whether distinct validators with more than a third of the power signed. */
  isValid(certificate: OutboxCertificate): boolean {
    let isValid = this.#known.get(certificate);
    if (isValid === undefined) {
      isValid = this.#check(certificate);
      this.#known.set(certificate, isValid);
    }
    return isValid;
  }

  #check({ chain, height, root, attestations }: OutboxCertificate): boolean {
    const check = this.#checks[chain];
    if (check === undefined || attestations.length > check.committee.size) return false;
    const statement = outboxStatement(this.#directory.nameOf(chain), height, root);
    let power = 0;
    let last = -1;
    for (const attestation of attestations) {
      const { validator, signature } = attestation;
      if (validator <= last) return false;
      if (!check.isSigned(attestation, validator, statement, signature)) return false;
      last = validator;
      power += check.committee.powerOf(validator);
    }
    return power >= check.committee.minorityPower;
  }
}
