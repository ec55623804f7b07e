/** Image transfers under way: who needs an image that is already coming waits for that transfer. */
export class ImagePulls {
  readonly #waiting = new Map<string, (() => void)[]>();

  /**
   * @param start begins a transfer and calls its argument when the image has arrived; only called
   *   when none is under way
   */
  request(
    node: number,
    image: string,
    done: () => void,
    start: (arrived: () => void) => void,
  ): void {
    const key = `${node}/${image}`;
    const others = this.#waiting.get(key);
    if (others !== undefined) {
      others.push(done);
      return;
    }
    const all = [done];
    this.#waiting.set(key, all);
    start(() => {
      this.#waiting.delete(key);
      for (const one of all) one();
    });
  }
}
