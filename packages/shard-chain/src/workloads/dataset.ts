import { ShardChainError } from "../errors.ts";
import { type Address, parseAddress } from "../ledger/address.ts";
import { type CsvLine, readCsvLines } from "./csv-lines.ts";
import type { RecordedTransaction } from "./recorded-transaction.ts";

/** Names under which the known layouts keep a column, most specific first. */
const COLUMNS = {
  block: ["block", "block_number", "blockNumber"],
  timestamp: ["timestamp", "block_timestamp"],
  from: ["from", "from_address"],
  to: ["to", "to_address"],
  value: ["valueWei", "value_wei", "value"],
  inputBytes: ["inputBytes", "input_bytes"],
  input: ["input", "callingFunction"],
  toIsContract: ["toIsContract"],
  gasLimit: ["gasLimit", "gas"],
  gasPrice: ["gasPrice", "gas_price"],
} as const;

type Column = keyof typeof COLUMNS;
const REQUIRED: readonly Column[] = ["block", "timestamp", "from", "to", "value"];
type Layout = Partial<Record<Column, number>>;

/**
 * Streams the transactions of a CSV file with the columns of XBlock, of ethereum-etl, or of this
 * project's Ethereum excerpts, in any order and with any others beside; `.gz` is unpacked. The
 * first line names the columns.
 *
 * @throws ShardChainError `UNREADABLE`; `BAD_DATASET` with the number of the line
 * @see XBlock: block-emulator's CSV layout; ethereum-etl: schema of transactions.csv
 */
export async function* readDataset(path: string): AsyncGenerator<RecordedTransaction> {
  let layout: Layout | undefined;
  for await (const line of readCsvLines(path)) {
    if (layout === undefined) layout = readHeader(path, line);
    else yield readRow(path, line, layout);
  }
  if (layout === undefined) throw badLine(path, 1, "the file is empty: expected a header");
}

function readHeader(path: string, { line, fields }: CsvLine): Layout {
  const names = fields.map((name) => name.trim());
  const layout: Layout = {};
  for (const column of Object.keys(COLUMNS) as Column[]) {
    const place = COLUMNS[column].map((name) => names.indexOf(name)).find((index) => index >= 0);
    if (place !== undefined) layout[column] = place;
  }
  const missing = REQUIRED.filter((column) => layout[column] === undefined);
  if (missing.length > 0) {
    const wanted = missing.map((column) => `${column} (${COLUMNS[column].join(" or ")})`);
    throw badLine(path, line, `the header has no column for ${wanted.join(", ")}`);
  }
  return layout;
}

function readRow(path: string, { line, fields }: CsvLine, layout: Layout): RecordedTransaction {
  const fail = (problem: string) => badLine(path, line, problem);
  const text = (column: Column) => {
    const place = layout[column];
    const field = place === undefined ? undefined : fields[place]?.trim();
    return field === undefined || isNothing(field) ? undefined : field;
  };
  const needed = (column: Column) => {
    const found = text(column);
    if (found === undefined) throw fail(`no ${column}`);
    return found;
  };
  const to = text("to");
  const inputBytes = readInputBytes(text("inputBytes"), text("input"), fail);
  const toIsContract = readFlag(text("toIsContract"), fail);
  const gasLimit = text("gasLimit");
  const gasPrice = text("gasPrice");
  return {
    block: readCount(needed("block"), "block", fail),
    timestampS: readTimestamp(needed("timestamp"), fail),
    from: readAddress(needed("from"), fail),
    to: to === undefined ? undefined : readAddress(to, fail),
    valueWei: readWei(needed("value"), "value", fail),
    inputBytes,
    isCall: to === undefined || inputBytes > 0 || toIsContract,
    feeWei:
      gasLimit === undefined || gasPrice === undefined
        ? undefined
        : readWei(gasLimit, "gas limit", fail) * readWei(gasPrice, "gas price", fail),
  };
}

type Fail = (problem: string) => ShardChainError;

/** XBlock writes None where it has nothing. */
function isNothing(field: string): boolean {
  return field === "" || field === "None" || field === "null";
}

function readCount(text: string, what: string, fail: Fail): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw fail(`${what} "${cut(text)}" is no whole number`);
}

function readWei(text: string, what: string, fail: Fail): bigint {
  if (/^\d{1,38}$/.test(text)) return BigInt(text);
  // Spreadsheets and pandas write large whole numbers as 1.5e+18 or 1000.0.
  const [, whole = "", part = "", power = "0"] =
    /^(\d{1,38})(?:\.(\d{1,38}))?(?:e\+?(\d{1,2}))?$/i.exec(text) ?? [];
  const digits = `${whole}${part}${"0".repeat(Number(power))}`;
  const kept = digits.slice(0, digits.length - part.length);
  if (whole !== "" && kept.length <= 38 && /^0*$/.test(digits.slice(kept.length))) {
    return BigInt(kept);
  }
  throw fail(`${what} "${cut(text)}" is no whole amount of wei`);
}

function readTimestamp(text: string, fail: Fail): number {
  if (/^\d+$/.test(text)) return readCount(text, "timestamp", fail);
  const isUtcText = /^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d( UTC|Z)?$/.test(text);
  const ms = isUtcText ? Date.parse(`${text.slice(0, 10)}T${text.slice(11, 19)}Z`) : Number.NaN;
  if (Number.isNaN(ms))
    throw fail(`timestamp "${cut(text)}" is neither UNIX seconds nor a UTC time`);
  return ms / 1000;
}

function readAddress(text: string, fail: Fail): Address {
  try {
    return parseAddress(text);
  } catch (error) {
    throw fail(error instanceof Error ? error.message : String(error));
  }
}

function readFlag(text: string | undefined, fail: Fail): boolean {
  if (text === undefined || /^(0|false)$/i.test(text)) return false;
  if (/^(1|true)$/i.test(text)) return true;
  throw fail(`toIsContract "${cut(text)}" is neither 0 nor 1`);
}

function readInputBytes(length: string | undefined, input: string | undefined, fail: Fail): number {
  if (length !== undefined) return readCount(length, "input length", fail);
  if (input === undefined) return 0;
  if (!/^(0x)?([0-9a-f]{2})*$/i.test(input)) throw fail(`input "${cut(input)}" is no hex text`);
  return (input.length - (/^0x/i.test(input) ? 2 : 0)) / 2;
}

function cut(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function badLine(path: string, line: number, problem: string): ShardChainError {
  return new ShardChainError(`${path}, line ${line}: ${problem}`, {
    code: "BAD_DATASET",
    path,
    line,
    problem,
  });
}
