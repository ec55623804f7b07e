import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { executeTransaction } from "../../src/ledger/execution.ts";
import { genesisStates } from "../../src/ledger/genesis.ts";
import { modulo } from "../../src/placement/modulo.ts";
import { readDataset } from "../../src/workloads/dataset.ts";
import type { RecordedTransaction } from "../../src/workloads/recorded-transaction.ts";
import { recordedWorkload } from "../../src/workloads/recorded-workload.ts";
import { measureStatistics } from "../../src/workloads/statistics.ts";
import { touchesOfRecord } from "../../src/workloads/touches.ts";

const folder = mkdtempSync(path.join(os.tmpdir(), "fmlab-dataset-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const FROM = "0xae2fc483527b8ef99eb5d9b44875f005ba1fae13";
const TO = "0x6B75D8AF000000E20B7A7DDF000BA900B4009A80";

function fileWith(text: string | Uint8Array, name = "data.csv"): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
}

async function readAll(file: string): Promise<RecordedTransaction[]> {
  const records: RecordedTransaction[] = [];
  for await (const record of readDataset(file)) records.push(record);
  return records;
}

const XBLOCK_HEADER =
  "blockNumber,timestamp,transactionHash,from,to,toCreate,fromIsContract,toIsContract,value," +
  "gasLimit,gasPrice,gasUsed,callingFunction,isError,eip2718type,baseFeePerGas,maxFeePerGas," +
  "maxPriorityFeePerGas";
const xblock = (fields: Partial<Record<"to" | "toIsContract" | "value" | "call", string>>) =>
  `4000000,1499633567,0xab,${FROM},${fields.to ?? TO},None,0,${fields.toIsContract ?? "0"},` +
  `${fields.value ?? "5"},21000,3,21000,${fields.call ?? "0x"},None,None,None,None,None`;

describe("the reader of data sets", () => {
  it("reads XBlock's layout, calls and creations too", async () => {
    const rows = [
      xblock({}),
      xblock({ toIsContract: "1", call: "0xa9059cbb", value: "0" }),
      xblock({ to: "None", call: "0x60606040" }),
    ];
    const records = await readAll(fileWith([XBLOCK_HEADER, ...rows].join("\r\n")));
    expect(records[0]).toEqual({
      block: 4_000_000,
      timestampS: 1_499_633_567,
      from: FROM,
      to: TO.toLowerCase(),
      valueWei: 5n,
      inputBytes: 0,
      isCall: false,
      feeWei: 63_000n,
    });
    expect(records.map(({ isCall, inputBytes }) => [isCall, inputBytes])).toEqual([
      [false, 0],
      [true, 4],
      [true, 4],
    ]);
    expect(records[2]?.to).toBe(undefined);
  });

  it("reads ethereum-etl's layout with columns in any order, quotes and texts for times", async () => {
    const text = [
      "\uFEFFvalue,to_address,from_address,block_timestamp,block_number,input,gas,gas_price,note",
      `1000000000000000000000,${TO},${FROM},2023-05-02 12:06:39 UTC,17173049,0x,21000,7,"a, ""b"""`,
      `1.50e18,${TO},${FROM},1683029999,17173049,0x01020304,21000,7,plain`,
    ].join("\n");
    const records = await readAll(fileWith(gzipSync(text), "data.csv.gz"));
    expect(records.map((record) => record.timestampS)).toEqual([1_683_029_199, 1_683_029_999]);
    expect(records.map((record) => record.valueWei)).toEqual([10n ** 21n, 15n * 10n ** 17n]);
    expect(records.map((record) => record.inputBytes)).toEqual([0, 4]);
  });

  const header = "block,timestamp,from,to,value";
  const bad: [string, string, number, RegExp][] = [
    ["an empty file", "", 1, /empty/],
    ["a missing column", "block,timestamp,from,to\n", 1, /no column for value \(valueWei or/],
    ["an address with a digit too few", `${header}\n1,2,${FROM.slice(0, -1)},,3`, 2, /no address/],
    ["a value with a fraction", `${header}\n1,2,${FROM},,1.25e1`, 2, /no whole amount/],
    ["a negative value", `${header}\n1,2,${FROM},,3\n\n1,2,${FROM},,-3`, 4, /no whole amount/],
    ["a value beyond 128 bits", `${header}\n1,2,${FROM},,${"9".repeat(39)}`, 2, /no whole amount/],
    ["a row cut short", `${header}\n1,2`, 2, /no from/],
    ["a time in words", `${header}\n1,noon,${FROM},,3`, 2, /neither UNIX seconds/],
    ["a quote that stays open", `${header}\n1,2,"${FROM},,3`, 2, /does not close/],
  ];
  it.each(bad)("tells %s with its line", async (_, text, line, what) => {
    const reading = readAll(fileWith(text));
    await expect(reading).rejects.toMatchObject({ failure: { code: "BAD_DATASET", line } });
    await expect(reading).rejects.toThrow(what);
  });

  it("tells files that are missing, not packed, or packed and cut", async () => {
    const packed = gzipSync(`${header}\n${`1,2,${FROM},,3\n`.repeat(5000)}`);
    for (const file of [
      path.join(folder, "none.csv"),
      fileWith("plain text", "plain.csv.gz"),
      fileWith(packed.subarray(0, packed.length / 2), "cut.csv.gz"),
    ]) {
      await expect(readAll(file)).rejects.toMatchObject({ code: "UNREADABLE" });
    }
  });

  it("may be left early", async () => {
    const file = fileWith(`${header}\n${`1,2,${FROM},,3\n`.repeat(50_000)}`);
    let count = 0;
    for await (const record of readDataset(file)) {
      expect(record.block).toBe(1);
      if (++count === 3) break;
    }
    expect(count).toBe(3);
  });
});

const data = path.join(process.env.FMLAB_DATA_DIR ?? "", "ethereum");
const hasData = process.env.FMLAB_DATA_DIR !== undefined && existsSync(data);
if (!hasData) process.stderr.write("skips recorded Ethereum data: set FMLAB_DATA_DIR\n");

describe.skipIf(!hasData)("recorded Ethereum transactions", () => {
  it("have the figures that were counted from the files by other means", async () => {
    const records = await readAll(path.join(data, "mainnet_blocks.csv.gz"));
    const statistics = measureStatistics(records.map(touchesOfRecord));
    expect(statistics).toMatchObject({ transactions: 18_063, accounts: 20_326 });
    expect(statistics.zipfSlope).toBeCloseTo(-0.966, 3);
    expect(statistics.topAccountShare).toBeCloseTo(0.0779, 4);
    expect(statistics.topPercentTouchShare).toBeCloseTo(0.3875, 3);
    expect(statistics.conflictShare).toBeCloseTo(0.793, 3);
    expect(statistics.chainShare).toBeCloseTo(149.53125 / 282.234375, 6);
    expect(statistics.inputBytesMean).toBeCloseTo(211.4, 1);
    for (const [shards, ratio] of Object.entries(statistics.crossRatio)) {
      expect(Math.abs(ratio - (1 - 1 / Number(shards)))).toBeLessThan(0.03);
    }
    expect(records.filter(({ to }) => to === undefined)).toHaveLength(24);
  });

  it("all succeed as a workload, with fees, on one state", async () => {
    const records = await readAll(path.join(data, "eth_tx_sample.csv"));
    const workload = recordedWorkload(records, { source: "eth_tx_sample" });
    const [genesis] = genesisStates(workload.genesis(), modulo(1));
    const draft = genesis?.draft();
    const statuses = new Map<string, number>();
    for (const transaction of workload.transactions()) {
      if (draft === undefined) break;
      const { status } = executeTransaction(draft, transaction);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
    expect(Object.fromEntries(statuses)).toEqual({ done: 1887 });
  });
});

describe("a recorded workload", () => {
  it("keeps values, runs a stand-in for calls, says so, and counts nonces anew", () => {
    const base = { block: 1, timestampS: 2, from: FROM, inputBytes: 0, feeWei: undefined } as const;
    const to = TO.toLowerCase() as `0x${string}`;
    const records: RecordedTransaction[] = [
      { ...base, to, valueWei: 5n, isCall: false },
      { ...base, to, valueWei: 0n, isCall: true, inputBytes: 68, feeWei: 9n },
      { ...base, to: undefined, valueWei: 2n, isCall: true },
    ];
    const workload = recordedWorkload(records, { source: "test", defaultFeeWei: 3n });
    const transactions = [...workload.transactions()];
    expect(transactions.map(({ nonce, fee, kind }) => [nonce, fee, kind])).toEqual([
      [0, 3n, "transfer"],
      [1, 9n, "standIn"],
      [2, 3n, "standIn"],
    ]);
    expect(transactions[1]?.steps).toEqual([
      { op: "mix", address: FROM },
      { op: "mix", address: to },
    ]);
    expect(transactions[1]?.paddingBytes).toBe(68);
    expect([...workload.genesis()]).toEqual([{ address: FROM, balance: 22n }]);
    expect(workload.remarks.join()).toMatch(/stand-in that touches the same two accounts/);
  });
});
