import { type ChildOptions, RunnerChild } from "./runner-child.ts";

/**
 * Keeps one warm child whose modules are loaded, so that a launched run starts at once. A warm
 * child is only used for the code it was loaded from: when `codeKey` has changed since, it is
 * thrown away and the run pays for a fresh one.
 */
export class ChildPool {
  readonly #options: ChildOptions;
  #spare: { child: RunnerChild; codeKey: string } | undefined;
  #preload = true;
  #isClosed = false;

  constructor(options: Omit<ChildOptions, "preload">) {
    this.#options = { ...options, preload: true };
  }

  /**
   * Starts the spare, unless there is one. Resolves with the experiments it has; rejects when it
   * cannot run anything.
   */
  async warm(codeKey: string): Promise<Record<string, number>> {
    if (this.#isClosed) throw new Error("assertion failed: a closed pool warms no child");
    if (this.#spare !== undefined) return this.#spare.child.ready;
    const child = new RunnerChild({ ...this.#options, preload: this.#preload });
    this.#spare = { child, codeKey };
    void child.ended.then(() => {
      if (this.#spare?.child !== child) return;
      this.#spare = undefined;
      // Some experiment's code ends the process when it is loaded: from now on load on demand.
      this.#preload = false;
    });
    return child.ready;
  }

  /** A child for one run; the caller owns it. */
  take(codeKey: string): RunnerChild {
    const spare = this.#spare;
    this.#spare = undefined;
    if (spare !== undefined && spare.codeKey === codeKey && !spare.child.isGone) return spare.child;
    spare?.child.signal("SIGKILL");
    return new RunnerChild({ ...this.#options, preload: false });
  }

  /** Ends the spare. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const child = this.#spare?.child;
    this.#spare = undefined;
    child?.signal("SIGKILL");
    await child?.ended;
  }
}
