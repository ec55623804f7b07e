import type { Address } from "../ledger/address.ts";

/** A transaction of a public ledger, reduced to what its data sets tell. */
export interface RecordedTransaction {
  readonly block: number;
  /** Time of the block, UNIX seconds. */
  readonly timestampS: number;
  readonly from: Address;
  /** Undefined for a contract creation. */
  readonly to: Address | undefined;
  readonly valueWei: bigint;
  /** Length of the call data, bytes; of XBlock data only whether there was any (4 or 0). */
  readonly inputBytes: number;
  /** Whether code ran: call data, a creation, or a receiver the data names a contract. */
  readonly isCall: boolean;
  /** Price the sender offered for all gas, wei; undefined where the data does not tell. */
  readonly feeWei: bigint | undefined;
}
