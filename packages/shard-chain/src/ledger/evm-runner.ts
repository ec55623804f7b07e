import {
  MessageChannel,
  type MessagePort,
  receiveMessageOnPort,
  Worker,
} from "node:worker_threads";
import { ShardChainError } from "../errors.ts";
import type { ContractCall, ContractRunner } from "./contract-runner.ts";
import type { FailureReason } from "./receipt.ts";
import { type StateView, storageIn, storeIn } from "./state.ts";
import { codeKey } from "./state-value.ts";

/** What the thread sends. */
type FromThread =
  | { readonly type: "ready" }
  | { readonly type: "read"; readonly slot: bigint }
  | { readonly type: "done"; readonly writes: readonly { slot: bigint; word: bigint }[] }
  | { readonly type: "done"; readonly failure: FailureReason }
  | { readonly type: "broken"; readonly reason: string };

/** A call that takes longer has lost its thread. */
const ANSWER_MS_MAX = 30_000;

/**
 * Runs contracts on @ethereumjs/evm (Cancun rules), at once: the caller's thread sleeps while
 * another runs the code. A contract sees its own storage, its caller and its call data. It cannot
 * call other contracts (`unsupported`), since those may live on other shards.
 *
 * One runner serves any number of nodes of its thread. It keeps nothing between calls.
 */
export class EvmRunner implements ContractRunner {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  #isOpen = true;
  readonly #turn = new Int32Array(new SharedArrayBuffer(4));

  private constructor() {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#worker = new Worker(new URL("./evm-thread.mjs", import.meta.url), {
      workerData: { port: port2, turn: this.#turn },
      transferList: [port2],
      execArgv: [],
    });
  }

  /**
   * A runner that is ready: its thread has loaded the EVM, which it cannot do while the caller
   * sleeps.
   *
   * @throws ShardChainError `CONTRACT_RUNNER_FAILED`
   */
  static async create(): Promise<EvmRunner> {
    const runner = new EvmRunner();
    try {
      const first = await runner.#firstMessage();
      if (first.type !== "ready") throw failed("reason" in first ? first.reason : first.type);
    } catch (error) {
      await runner.close();
      throw error;
    }
    // An idle thread must not keep the process alive.
    runner.#worker.unref();
    runner.#port.unref();
    return runner;
  }

  /** @throws ShardChainError `CONTRACT_RUNNER_FAILED` when the thread cannot run the EVM */
  call(view: StateView, call: ContractCall): FailureReason | undefined {
    const { contract, slots } = call;
    const code = view.get(codeKey(contract));
    if (code?.kind !== "bytes") return "noContract";
    if (!this.#isOpen) throw failed("the runner is closed");
    // Words handed over with the call spare the threads a change of turns each.
    const words = new Map(slots.map((slot) => [slot, storageIn(view, contract, slot)]));
    let answer = this.#exchange({ ...call, code: code.bytes, words });
    while (answer.type === "read") {
      answer = this.#exchange({ word: storageIn(view, contract, answer.slot) });
    }
    if (answer.type === "broken") throw failed(answer.reason);
    if (answer.type === "ready") throw failed("the thread started again");
    if ("failure" in answer) return answer.failure;
    for (const { slot, word } of answer.writes) storeIn(view, contract, slot, word);
    return undefined;
  }

  /** Ends the thread. */
  async close(): Promise<void> {
    this.#isOpen = false;
    this.#port.close();
    await this.#worker.terminate();
  }

  #firstMessage(): Promise<FromThread> {
    return new Promise((resolve, reject) => {
      this.#port.once("message", resolve);
      this.#worker.on("error", reject);
      this.#worker.once("exit", (code) => reject(failed(`the thread ended with code ${code}`)));
    });
  }

  /** Gives the thread a message and the turn, and sleeps until it hands both back. */
  #exchange(message: object): FromThread {
    this.#port.postMessage(message);
    Atomics.store(this.#turn, 0, 1);
    Atomics.notify(this.#turn, 0);
    if (Atomics.wait(this.#turn, 0, 1, ANSWER_MS_MAX) === "timed-out") {
      throw failed(`no answer within ${ANSWER_MS_MAX} ms`);
    }
    const received = receiveMessageOnPort(this.#port) as { message: FromThread } | undefined;
    if (received === undefined) throw failed("an answer without a message");
    return received.message;
  }
}

function failed(reason: string): ShardChainError {
  return new ShardChainError(
    `contracts cannot run: ${reason}. Check that @ethereumjs/evm is installed (npm ci)`,
    { code: "CONTRACT_RUNNER_FAILED", reason },
  );
}
