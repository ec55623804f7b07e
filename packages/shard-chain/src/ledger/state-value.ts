import { ByteReader } from "../bytes/byte-reader.ts";
import type { ByteWriter } from "../bytes/byte-writer.ts";
import type { Address } from "./address.ts";

/** An account. Never changed once made: a change is a new object. */
export interface Account {
  readonly kind: "account";
  /** How many transactions of this sender the shard has admitted. */
  readonly nonce: number;
  /** Wei, 0 <= balance < 2^128. */
  readonly balance: bigint;
  /** The account's one word of native data, 0 <= word < 2^64; see `Step`. */
  readonly word: bigint;
}

/** How a lock may be held: by one writer, or by any number of readers. */
export type LockMode = "read" | "write";

/** A wish for a lock, or a lock held. */
export interface LockClaim {
  /** Id of the transaction, 64 hex digits. */
  readonly txId: string;
  readonly mode: LockMode;
}

/** A lock that is held; a free one is not in the state. */
export interface LockEntry {
  readonly kind: "lock";
  /** The account that it locks. */
  readonly address: Address;
  /** All of the same mode; more than one only when reading. */
  readonly holders: readonly LockClaim[];
  /** In the order of arrival. */
  readonly waiting: readonly LockClaim[];
}

/** A word of contract storage. */
export interface StorageWord {
  readonly kind: "storage";
  /** 0 < value < 2^256; a zero is not in the state. */
  readonly value: bigint;
}

/** Code of a contract, or what a protocol keeps in the state. */
export interface Bytes {
  readonly kind: "bytes";
  readonly bytes: Uint8Array;
}

/** What a leaf of the state tree holds. */
export type StateValue = Account | LockEntry | StorageWord | Bytes;

/** Where a value stands in the state: a letter for what it is, and a name. */
export type StateKey = string;

/** Key of an account. */
export const accountKey = (address: Address): StateKey => `a${address}`;
/** Key of the lock on an account (and on all storage of a contract). */
export const lockKey = (address: Address): StateKey => `l${address}`;
/** Key of a contract's code. */
export const codeKey = (address: Address): StateKey => `c${address}`;
/** Key of a word of contract storage. */
export const storageKey = (address: Address, slot: bigint): StateKey =>
  `s${address}/${slot.toString(16)}`;
/** Key of a protocol's record, e.g. an escrow or a vote count. */
export const recordKey = (name: string): StateKey => `r${name}`;

/** The account that an address without an entry has. */
export const EMPTY_ACCOUNT: Account = { kind: "account", nonce: 0, balance: 0n, word: 0n };

const TAG = { account: 1, lock: 2, storage: 3, bytes: 4 } as const;
const CLAIM_BYTES = 65;

/** Appends a value's canonical encoding, the bytes that the state root commits to. */
export function writeStateValue(writer: ByteWriter, value: StateValue): void {
  writer.byte(TAG[value.kind]);
  switch (value.kind) {
    case "account":
      writer.u48(value.nonce).u128(value.balance).u64(value.word);
      return;
    case "lock":
      writer.hex(value.address);
      writeClaims(writer, value.holders);
      writeClaims(writer, value.waiting);
      return;
    case "storage":
      writer.u256(value.value);
      return;
    case "bytes":
      writer.bytes(value.bytes);
  }
}

function writeClaims(writer: ByteWriter, claims: readonly LockClaim[]): void {
  writer.uint(claims.length);
  for (const { txId, mode } of claims) writer.latin1(txId).byte(mode === "write" ? 1 : 0);
}

/**
 * Reads a value from its encoding, e.g. out of a proof.
 *
 * @throws ShardChainError `BAD_BYTES`
 */
export function readStateValue(bytes: Uint8Array): StateValue {
  const reader = new ByteReader(bytes, "state value");
  const value = readTagged(reader);
  reader.end();
  return value;
}

function readTagged(reader: ByteReader): StateValue {
  switch (reader.byte()) {
    case TAG.account:
      return { kind: "account", nonce: reader.u48(), balance: reader.u128(), word: reader.u64() };
    case TAG.lock:
      return readLock(reader);
    case TAG.storage:
      return { kind: "storage", value: reader.u256() };
    case TAG.bytes:
      return { kind: "bytes", bytes: reader.bytes() };
    default:
      return reader.fail("unknown kind of value");
  }
}

function readLock(reader: ByteReader): LockEntry {
  const address = reader.address();
  return { kind: "lock", address, holders: readClaims(reader), waiting: readClaims(reader) };
}

function readClaims(reader: ByteReader): LockClaim[] {
  const readClaim = (): LockClaim => ({
    txId: reader.latin1(64),
    mode: reader.flag() ? "write" : "read",
  });
  return reader.list(readClaim, CLAIM_BYTES);
}
