/** What something owns, freed in the reverse order of its making. */
export class Resources {
  readonly #owned: { close(): void }[] = [];

  /** Takes over a resource, and gives it back for use. */
  add<T extends { close(): void }>(resource: T): T {
    this.#owned.push(resource);
    return resource;
  }

  /** Frees everything. Closing twice is allowed. */
  close(): void {
    for (let last = this.#owned.pop(); last; last = this.#owned.pop()) last.close();
  }
}
