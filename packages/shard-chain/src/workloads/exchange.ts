import type { Address } from "../ledger/address.ts";
import { assemble } from "./evm-assembler.ts";

// A constant-product exchange of two tokens, A and B, as an EVM contract that keeps all balances in
// its own storage: trades move no money between accounts, so all state is on the contract's shard.
// Who trades just before a large trade in the same direction, and back after it, gains: the
// contract can be front-run, within a shard and across.

/** Which way a trade goes: 0 pays A and gets B, 1 pays B and gets A. */
export type SwapDirection = 0 | 1;

/** Reserves of the pool, by token. */
export interface Reserves {
  readonly a: bigint;
  readonly b: bigint;
}

/** Where the contract keeps the reserves of A and of B. */
export const RESERVE_SLOTS = { a: 0n, b: 1n } as const;

/** Where the contract keeps a trader's balance of the token that `direction` pays. */
export function balanceSlot(trader: Address, direction: SwapDirection): bigint {
  return BigInt(trader) | (1n << (160n + BigInt(direction)));
}

/** Call data of a trade: three words of 32 bytes (direction, amount paid, least amount to get). */
export function encodeSwap(direction: SwapDirection, amountIn: bigint, minOut: bigint): Uint8Array {
  const words = [BigInt(direction), amountIn, minOut];
  return Uint8Array.from(
    Buffer.from(words.map((word) => word.toString(16).padStart(64, "0")).join(""), "hex"),
  );
}

/**
 * What a trade gets: the product of the reserves stays, less a fee of 0.3 %, rounded down.
 *
 * @see Uniswap v2 (Adams, Zinsmeister, Robinson 2020), section 3.2.1
 */
export function quoteSwap({ a, b }: Reserves, direction: SwapDirection, amountIn: bigint): bigint {
  const [reserveIn, reserveOut] = direction === 0 ? [a, b] : [b, a];
  const paid = amountIn * 997n;
  return (paid * reserveOut) / (reserveIn * 1000n + paid);
}

/** Reserves after a trade. */
export function reservesAfter(
  reserves: Reserves,
  direction: SwapDirection,
  amountIn: bigint,
): Reserves {
  const out = quoteSwap(reserves, direction, amountIn);
  return direction === 0
    ? { a: reserves.a + amountIn, b: reserves.b - out }
    : { a: reserves.a - out, b: reserves.b + amountIn };
}

/**
 * The contract. Reverts when the direction is not 0 or 1, the amount is 0 or 2^112 and more, the
 * caller has too little, or the trade would get nothing or less than asked. Returns what it gets.
 * Memory: 0x00 amount, 0x20 direction, 0x40 and 0x60 reserves of the token paid and got, 0x80 what
 * is got, 0xa0 and 0xc0 slots of the caller's two balances.
 */
export const EXCHANGE_CODE = assemble(`
  PUSH 0x00 CALLDATALOAD
  DUP1 PUSH 1 LT PUSH @fail JUMPI                 ; 1 < direction
  PUSH 0x20 MSTORE
  PUSH 0x20 CALLDATALOAD
  DUP1 ISZERO PUSH @fail JUMPI
  DUP1 PUSH 112 SHR PUSH @fail JUMPI
  PUSH 0x00 MSTORE
  PUSH 0x20 MLOAD SLOAD PUSH 0x40 MSTORE
  PUSH 0x20 MLOAD PUSH 1 SUB SLOAD PUSH 0x60 MSTORE
  PUSH 1 PUSH 0x20 MLOAD PUSH 160 ADD SHL CALLER OR PUSH 0xa0 MSTORE
  PUSH 1 PUSH 0x20 MLOAD PUSH 161 SUB SHL CALLER OR PUSH 0xc0 MSTORE
  PUSH 0x00 MLOAD PUSH 0xa0 MLOAD SLOAD LT PUSH @fail JUMPI   ; balance < amount

  PUSH 0x00 MLOAD PUSH 997 MUL                    ; paid = 997 amount
  DUP1 PUSH 0x40 MLOAD PUSH 1000 MUL ADD          ; 1000 reserveIn + paid
  SWAP1 PUSH 0x60 MLOAD MUL DIV                   ; paid reserveOut / that
  DUP1 ISZERO PUSH @fail JUMPI
  DUP1 PUSH 0x40 CALLDATALOAD GT PUSH @fail JUMPI ; least wanted > got
  PUSH 0x80 MSTORE

  PUSH 0x00 MLOAD PUSH 0xa0 MLOAD SLOAD SUB PUSH 0xa0 MLOAD SSTORE
  PUSH 0x80 MLOAD PUSH 0xc0 MLOAD SLOAD ADD PUSH 0xc0 MLOAD SSTORE
  PUSH 0x00 MLOAD PUSH 0x40 MLOAD ADD PUSH 0x20 MLOAD SSTORE
  PUSH 0x80 MLOAD PUSH 0x60 MLOAD SUB PUSH 0x20 MLOAD PUSH 1 SUB SSTORE
  PUSH 0x20 PUSH 0x80 RETURN
fail:
  PUSH 0 PUSH 0 REVERT
`);
