import { hash } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import { ShardChainError } from "../errors.ts";
import type { SafetyStore } from "./parts.ts";
import type { ConsensusState, StateCodec } from "./state-codec.ts";

const CHECKSUM_BYTES = 32;

/**
 * Keeps a validator's state in a file. A save is on the disk when it returns, and a crash in its
 * midst leaves the state before: it is written aside, forced out, and then put in place.
 */
export class FileSafetyStore implements SafetyStore<unknown> {
  readonly #path: string;
  readonly #codec: StateCodec;

  constructor(file: string, codec: StateCodec) {
    this.#path = file;
    this.#codec = codec;
  }

  /**
   * @throws ShardChainError `BAD_BYTES` when the file is damaged: a validator that has lost what it
   *         said must not go on under its key
   */
  load(): ConsensusState | undefined {
    if (!existsSync(this.#path)) return undefined;
    const bytes = readFileSync(this.#path);
    const body = bytes.subarray(CHECKSUM_BYTES);
    const isWhole = bytes.subarray(0, CHECKSUM_BYTES).toString("hex") === hash("sha256", body);
    const state = isWhole ? this.#codec.decode(body) : undefined;
    if (state !== undefined) return state;
    throw new ShardChainError(
      `${this.#path} does not hold what a validator wrote; give the validator a new key`,
      { code: "BAD_BYTES", what: "safety state", problem: "checksum or form is wrong" },
    );
  }

  save(state: unknown): void {
    const body = this.#codec.encode(state as ConsensusState);
    const bytes = Buffer.concat([Buffer.from(hash("sha256", body), "hex"), body]);
    const aside = `${this.#path}.new`;
    const file = openSync(aside, "w");
    writeSync(file, bytes);
    fsyncSync(file);
    closeSync(file);
    renameSync(aside, this.#path);
    const folder = openSync(path.dirname(this.#path), "r");
    fsyncSync(folder);
    closeSync(folder);
  }
}
