import { createRequire } from "node:module";

type Koffi = typeof import("koffi");
type SystemCall = (...args: (number | bigint)[]) => number | bigint;

/** Numbers of system calls. @see Linux syscall_64.tbl (x86), asm-generic/unistd.h (arm64) */
const CALLS = {
  x64: { setup: 206, destroy: 207, events: 208, submit: 209 },
  arm64: { setup: 0, destroy: 1, events: 4, submit: 2 },
} as const;
/** Size of `struct iocb` and `struct io_event`. @see linux/aio_abi.h */
const REQUEST_BYTES = 64;
const EVENT_BYTES = 32;
const FAILURES_MAX = 1000;
/** How long one call waits, of a wait without end. */
const WAIT_MS = 1000;

/**
 * Several reads of one thread under way at once: Linux native asynchronous reads, which are real
 * ones for files opened past the page cache.
 *
 * @see io_submit(2), io_getevents(2)
 */
export class ParallelReads {
  readonly #count: number;
  readonly #call: SystemCall;
  readonly #calls: (typeof CALLS)[keyof typeof CALLS];
  readonly #context: bigint;
  readonly #requests: DataView;
  readonly #events: DataView;
  readonly #pointers: BigUint64Array;
  /** Seconds and nanoseconds. */
  readonly #timeout = new BigInt64Array(2);
  readonly #addresses: { requests: bigint; events: bigint; pointers: bigint; timeout: bigint };
  readonly #buffers: readonly bigint[];
  readonly #isUnderWay: Uint8Array;
  readonly #results: Float64Array;
  #failures = 0;
  #isClosed = false;

  /**
   * @param buffers  where the reads go, one each, aligned for the file's device
   * @returns undefined where the system has no such reads
   */
  static open(buffers: readonly Uint8Array[]): ParallelReads | undefined {
    const calls = CALLS[process.arch as keyof typeof CALLS];
    if (process.platform !== "linux" || calls === undefined) return undefined;
    try {
      return new ParallelReads(buffers, calls);
    } catch {
      return undefined;
    }
  }

  private constructor(buffers: readonly Uint8Array[], calls: (typeof CALLS)[keyof typeof CALLS]) {
    const koffi = createRequire(import.meta.url)("koffi") as Koffi;
    const types = Array.from({ length: 6 }, () => "long");
    this.#call = koffi.load("libc.so.6").func("syscall", "long", types) as SystemCall;
    this.#calls = calls;
    this.#count = buffers.length;
    const address = (array: ArrayBufferView) =>
      koffi.address(array.buffer as ArrayBuffer) + BigInt(array.byteOffset);
    this.#requests = new DataView(new ArrayBuffer(REQUEST_BYTES * this.#count));
    this.#events = new DataView(new ArrayBuffer(EVENT_BYTES * this.#count));
    this.#pointers = new BigUint64Array(this.#count);
    this.#addresses = {
      requests: address(this.#requests),
      events: address(this.#events),
      pointers: address(this.#pointers),
      timeout: address(this.#timeout),
    };
    this.#buffers = buffers.map(address);
    this.#isUnderWay = new Uint8Array(this.#count);
    this.#results = new Float64Array(this.#count);
    const context = new BigUint64Array(1);
    const failed = this.#call(calls.setup, this.#count, address(context), 0, 0, 0);
    if (Number(failed) !== 0) throw new Error("io_setup is not allowed");
    this.#context = context[0] ?? 0n;
  }

  /** Begins a read into the buffer of that index. @returns false when it was not begun */
  begin(index: number, fd: number, offset: number, length: number): boolean {
    const at = index * REQUEST_BYTES;
    const view = this.#requests;
    for (let i = 0; i < REQUEST_BYTES; i += 8) view.setBigUint64(at + i, 0n, true);
    view.setBigUint64(at, BigInt(index), true);
    view.setUint32(at + 20, fd, true);
    view.setBigUint64(at + 24, this.#buffers[index] ?? 0n, true);
    view.setBigUint64(at + 32, BigInt(length), true);
    view.setBigUint64(at + 40, BigInt(offset), true);
    this.#pointers[0] = this.#addresses.requests + BigInt(at);
    const begun = this.#call(this.#calls.submit, this.#context, 1, this.#addresses.pointers, 0, 0);
    this.#isUnderWay[index] = Number(begun) === 1 ? 1 : 0;
    return Number(begun) === 1;
  }

  /** True from the beginning of a read until `reap` or `wait` has seen its end. */
  isUnderWay(index: number): boolean {
    return this.#isUnderWay[index] === 1;
  }

  /** Waits for a read that was begun; bytes that came, negative for an error number. */
  wait(index: number): number {
    while (this.#isUnderWay[index] === 1) this.reap(WAIT_MS);
    return this.#results[index] ?? 0;
  }

  /** Returns when one or more of the reads under way have ended, or after that time. */
  reap(timeoutMs: number): void {
    const { events, timeout } = this.#addresses;
    const seconds = Math.floor(timeoutMs / 1e3);
    this.#timeout[0] = BigInt(seconds);
    this.#timeout[1] = BigInt(Math.floor((timeoutMs - 1e3 * seconds) * 1e6));
    const most = this.#count;
    const got = Number(this.#call(this.#calls.events, this.#context, 1, most, events, timeout));
    // A signal may interrupt the call; again and again it does not.
    this.#failures = got < 0 ? this.#failures + 1 : 0;
    if (this.#failures > FAILURES_MAX) throw new Error("reads under way cannot be awaited");
    for (let i = 0; i < got; i++) {
      const which = Number(this.#events.getBigUint64(i * EVENT_BYTES, true));
      this.#results[which] = Number(this.#events.getBigInt64(i * EVENT_BYTES + 16, true));
      this.#isUnderWay[which] = 0;
    }
  }

  /** Waits for all reads: then nobody writes to the buffers any more. */
  settle(): void {
    for (let index = 0; index < this.#count; index++) this.wait(index);
  }

  /** Ends; nothing is under way any more. Harmless when called twice. */
  close(): void {
    if (this.#isClosed) return;
    this.settle();
    this.#isClosed = true;
    this.#call(this.#calls.destroy, this.#context, 0, 0, 0, 0);
  }
}
