import type { PayloadFault } from "../adversary/command-application.ts";
import { payloadFault, type Strategy } from "../adversary/scenario.ts";
import type { Application, PayloadPlace } from "../node/application.ts";
import type { CommittedBlock, Payload } from "../node/block.ts";
import { type BlockContent, makePayload } from "./block-content.ts";
import type { ChainView } from "./chain-view.ts";

/** How the payloads of a faulty validator differ from those of a correct one. */
interface Deviation {
  readonly fault: PayloadFault;
  /** Number of an equivocator's copy: no two of them propose the same. */
  readonly copy: number;
  /** State root after a final block of its chain; undefined when unknown or long ago. */
  stateRootAt(height: number): string | undefined;
}

/** A root that no state has. */
const NO_ROOT = "0".repeat(64);

/** A shard's application in the hands of a faulty validator: judges rightly, proposes wrongly. */
class FaultyApplication implements Application {
  readonly #inner: Application;
  readonly #deviation: Deviation;

  constructor(inner: Application, deviation: Deviation) {
    this.#inner = inner;
    this.#deviation = deviation;
  }

  propose(place: PayloadPlace): Payload {
    const content = this.#inner.propose(place).content as BlockContent;
    switch (this.#deviation.fault) {
      case "invalid-payload":
        return makePayload({ ...content, stateRoot: NO_ROOT });
      case "censor":
        return makePayload(this.#told({ ...content, notes: [], transactions: [] }));
      default:
        return makePayload(this.#told(content));
    }
  }

  validate(payload: Payload, place: PayloadPlace): boolean {
    return this.#inner.validate(payload, place);
  }

  deliver(committed: CommittedBlock): void {
    this.#inner.deliver(committed);
  }

  /** A later copy claims to have executed less: also true, and yet another payload. */
  #told(content: BlockContent): BlockContent {
    const { copy, stateRootAt } = this.#deviation;
    const executedHeight = content.executedHeight - copy;
    const stateRoot = stateRootAt(executedHeight);
    return stateRoot === undefined ? content : { ...content, executedHeight, stateRoot };
  }
}

/** The application as a copy of a faulty validator has it. */
export function deviating(
  own: Application,
  { copy, strategies }: { readonly copy: number; readonly strategies: readonly Strategy[] },
  view: ChainView,
): Application {
  const stateRootAt = (height: number) => view.stateRootAt(height);
  return new FaultyApplication(own, { fault: payloadFault(strategies), copy, stateRootAt });
}
