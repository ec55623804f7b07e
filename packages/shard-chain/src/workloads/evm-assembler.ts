import { ShardChainError } from "../errors.ts";

/** The opcodes that the assembler knows, of the Ethereum yellow paper, appendix H. */
const OPCODES: Readonly<Record<string, number>> = {
  STOP: 0x00,
  ADD: 0x01,
  MUL: 0x02,
  SUB: 0x03,
  DIV: 0x04,
  LT: 0x10,
  GT: 0x11,
  EQ: 0x14,
  ISZERO: 0x15,
  AND: 0x16,
  OR: 0x17,
  SHL: 0x1b,
  SHR: 0x1c,
  CALLER: 0x33,
  CALLDATALOAD: 0x35,
  POP: 0x50,
  MLOAD: 0x51,
  MSTORE: 0x52,
  SLOAD: 0x54,
  SSTORE: 0x55,
  JUMP: 0x56,
  JUMPI: 0x57,
  JUMPDEST: 0x5b,
  DUP1: 0x80,
  DUP2: 0x81,
  SWAP1: 0x90,
  SWAP2: 0x91,
  RETURN: 0xf3,
  REVERT: 0xfd,
};

const PUSH1 = 0x60;
const PUSH2 = 0x61;

/**
 * Translates EVM assembly. Words are parted by white space; `;` begins a comment up to the line's
 * end.
 * `PUSH n` pushes a number in the fewest bytes, `PUSH @name` the place of a label (two bytes), and
 * `name:` is a label with its JUMPDEST.
 *
 * @throws ShardChainError `UNKNOWN_NAME` for opcodes and labels, `BAD_BYTES` for numbers
 */
export function assemble(source: string): Uint8Array {
  const words = source
    .replace(/;.*$/gm, "")
    .split(/\s+/)
    .filter((word) => word !== "");
  const code: number[] = [];
  const labels = new Map<string, number>();
  const uses: [at: number, label: string][] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    if (word.endsWith(":")) {
      labels.set(word.slice(0, -1), code.length);
      code.push(OPCODES.JUMPDEST as number);
    } else if (word === "PUSH") {
      const operand = words[++i] ?? "";
      if (operand.startsWith("@")) {
        uses.push([code.length + 1, operand.slice(1)]);
        code.push(PUSH2, 0, 0);
      } else {
        const bytes = bytesOf(operand);
        code.push(PUSH1 + bytes.length - 1, ...bytes);
      }
    } else {
      code.push(lookUp("opcode", new Map(Object.entries(OPCODES)), word));
    }
  }
  for (const [at, label] of uses) {
    const place = lookUp("label", labels, label);
    code[at] = place >> 8;
    code[at + 1] = place & 0xff;
  }
  return Uint8Array.from(code);
}

function lookUp(what: string, known: ReadonlyMap<string, number>, name: string): number {
  const found = known.get(name);
  if (found !== undefined) return found;
  throw new ShardChainError(
    `${name} is no ${what} of this assembler; it has ${[...known.keys()].join(", ")}`,
    { code: "UNKNOWN_NAME", what, name, known: [...known.keys()] },
  );
}

/** Big-endian bytes of a number, one at least. */
function bytesOf(text: string): number[] {
  if (!/^(\d+|0x[0-9a-f]+)$/i.test(text) || BigInt(text) >> 256n !== 0n) {
    throw new ShardChainError(`"${text}" is no number below 2^256 to push`, {
      code: "BAD_BYTES",
      what: "assembly",
      problem: `PUSH ${text}`,
    });
  }
  const hex = BigInt(text).toString(16);
  return [...Buffer.from(hex.padStart(hex.length + (hex.length % 2), "0"), "hex")];
}
