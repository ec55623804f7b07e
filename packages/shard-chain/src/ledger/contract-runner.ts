import type { Address } from "./address.ts";
import type { FailureReason } from "./receipt.ts";
import type { StateView } from "./state.ts";

/** A call of a contract. It carries no money: contracts of this package keep their own books. */
export interface ContractCall {
  readonly contract: Address;
  readonly caller: Address;
  readonly data: Uint8Array;
  /** Storage the call is expected to read, an EIP-2930 access list. It may read any other too. */
  readonly slots: readonly bigint[];
}

/** Runs contract code against a state; the EVM, or nothing. */
export interface ContractRunner {
  /**
   * Runs the code at `call.contract` and writes what it stored to the view, all of it or, on
   * failure, nothing. A function of the view and the call only.
   *
   * @returns why it failed; undefined when it took effect
   */
  call(view: StateView, call: ContractCall): FailureReason | undefined;
}
