// The thread that runs EVM code. @ethereumjs/evm answers with promises, but a state machine must
// answer at once: the main thread sleeps while this one runs a call, and the two take turns by a
// shared number (0: main thread, 1: this one). What main asks and answers comes over the port.
import { receiveMessageOnPort, workerData } from "node:worker_threads";

const { port, turn } = workerData;
const GAS_LIMIT = 1_000_000n; // chosen: far above what a trade on the exchange takes

/** Hands the turn to the main thread with a message. */
function tell(message) {
  port.postMessage(message);
  Atomics.store(turn, 0, 0);
  Atomics.notify(turn, 0);
}

/** Asks the main thread for a word of storage and sleeps until it answers. */
function askForWord(slot) {
  tell({ type: "read", slot });
  Atomics.wait(turn, 0, 0);
  return receiveMessageOnPort(port).message.word;
}

async function createRunner() {
  const { createEVM } = await import("@ethereumjs/evm");
  const { Common, Hardfork, Mainnet } = await import("@ethereumjs/common");
  const { SimpleStateManager } = await import("@ethereumjs/statemanager");
  const util = await import("@ethereumjs/util");
  const { Account, bigIntToBytes, bytesToBigInt, createAddressFromString } = util;
  const common = new Common({ chain: Mainnet, hardfork: Hardfork.Cancun });

  /** The state of one contract: its storage comes from the main thread, word by word. */
  class ContractState extends SimpleStateManager {
    strangers = 0;

    constructor(contract, words) {
      super({ common });
      this.contract = contract;
      this.words = words;
    }

    async getCode(address) {
      if (!address.equals(this.contract)) this.strangers++;
      return super.getCode(address);
    }

    async getStorage(address, key) {
      const written = await super.getStorage(address, key);
      if (written.length > 0 || !address.equals(this.contract)) return written;
      const slot = bytesToBigInt(key);
      if (!this.words.has(slot)) this.words.set(slot, askForWord(slot));
      const word = this.words.get(slot);
      return word === 0n ? new Uint8Array(0) : bigIntToBytes(word);
    }

    async putStorage(address, key, value) {
      // A zero is written as a byte, so that it is not taken for "not written".
      await super.putStorage(address, key, value.length === 0 ? Uint8Array.of(0) : value);
    }

    writes() {
      return [...this.topStorageStack()].map(([name, value]) => ({
        slot: BigInt(name.slice(name.indexOf("_") + 1)),
        word: bytesToBigInt(value),
      }));
    }
  }

  const evm = await createEVM({ common });
  return async ({ contract, caller, code, data, words }) => {
    const to = createAddressFromString(contract);
    const state = new ContractState(to, words);
    await state.putAccount(to, new Account());
    await state.putCode(to, code);
    evm.stateManager = state;
    evm.journal.stateManager = state;
    const from = createAddressFromString(caller);
    const { execResult } = await evm.runCall({
      to,
      caller: from,
      origin: from,
      data,
      gasLimit: GAS_LIMIT,
    });
    await evm.journal.cleanup();
    const error = execResult.exceptionError?.error;
    if (state.strangers > 0) return { failure: "unsupported" };
    if (error === undefined) return { writes: state.writes() };
    return { failure: error === "out of gas" ? "outOfGas" : "contractReverted" };
  };
}

function reasonOf(error) {
  return error instanceof Error ? error.message : String(error);
}

async function serve() {
  const run = await createRunner();
  port.postMessage({ type: "ready" });
  for (;;) {
    Atomics.wait(turn, 0, 0);
    const call = receiveMessageOnPort(port).message;
    try {
      tell({ type: "done", ...(await run(call)) });
    } catch (error) {
      tell({ type: "broken", reason: reasonOf(error) });
    }
  }
}

serve().catch((error) => port.postMessage({ type: "broken", reason: reasonOf(error) }));
