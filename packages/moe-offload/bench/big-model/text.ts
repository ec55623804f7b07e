import type { Prng } from "@fmlab/sim";
import type { RoutingDials } from "./design.ts";

/**
 * The words of a made-up language: `commonWords` that belong to every topic, and all others dealt
 * out to the topics; within each group by Zipf's law.
 */
export class Language {
  readonly #dials: RoutingDials;
  readonly #vocabulary: number;
  readonly #common: Cumulative;
  readonly #topics: Cumulative;
  readonly #ofTopic: readonly Cumulative[];

  constructor(dials: RoutingDials, vocabulary: number) {
    const { commonWords, topics, zipf } = dials;
    this.#dials = dials;
    this.#vocabulary = vocabulary;
    this.#common = new Cumulative(commonWords, zipf);
    this.#topics = new Cumulative(topics, zipf / 2);
    this.#ofTopic = Array.from(
      { length: topics },
      (_, topic) => new Cumulative(this.#wordsOf(topic), zipf),
    );
  }

  /** 0 for common words, then the topics from 1. */
  groupOf(token: number): number {
    const { commonWords, topics } = this.#dials;
    return token < commonWords ? 0 : 1 + ((token - commonWords) % topics);
  }

  /** Share of a word among all words of a long text. */
  shareOf(token: number): number {
    const { commonWords, commonWordShare, topics } = this.#dials;
    if (token < commonWords) return commonWordShare * this.#common.shareOf(token);
    const topic = (token - commonWords) % topics;
    const rank = Math.floor((token - commonWords) / topics);
    const inTopic = this.#ofTopic[topic]?.shareOf(rank) ?? 0;
    return (1 - commonWordShare) * this.#topics.shareOf(topic) * inTopic;
  }

  /** A text: topics that last for a while, and words of the topic or of all topics. */
  write(prng: Prng, tokens: number): Int32Array {
    const { commonWords, commonWordShare, stay, topics } = this.#dials;
    const text = new Int32Array(tokens);
    let topic = this.#topics.draw(prng);
    for (let i = 0; i < tokens; i++) {
      if (!prng.chance(stay)) topic = this.#topics.draw(prng);
      const word = prng.chance(commonWordShare)
        ? this.#common.draw(prng)
        : commonWords + topic + topics * (this.#ofTopic[topic]?.draw(prng) ?? 0);
      text[i] = word;
    }
    return text;
  }

  #wordsOf(topic: number): number {
    const { commonWords, topics } = this.#dials;
    return Math.floor((this.#vocabulary - commonWords - topic - 1) / topics) + 1;
  }
}

/** Zipf's law over `count` ranks. */
class Cumulative {
  readonly #upTo: Float64Array;

  constructor(count: number, exponent: number) {
    this.#upTo = new Float64Array(count);
    let sum = 0;
    for (let rank = 0; rank < count; rank++) {
      sum += (rank + 1) ** -exponent;
      this.#upTo[rank] = sum;
    }
    for (let rank = 0; rank < count; rank++) this.#upTo[rank] = (this.#upTo[rank] ?? 0) / sum;
  }

  shareOf(rank: number): number {
    return (this.#upTo[rank] ?? 0) - (rank > 0 ? (this.#upTo[rank - 1] ?? 0) : 0);
  }

  draw(prng: Prng): number {
    const drawn = prng.nextFloat();
    let low = 0;
    let high = this.#upTo.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#upTo[middle] ?? 1) > drawn) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
