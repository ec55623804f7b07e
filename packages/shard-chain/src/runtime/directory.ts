import type { Committee } from "../node/committee.ts";
import type { NodeId } from "../node/host.ts";
import type { ChainId, ChainInfo } from "../protocol/chain.ts";

/** Where a node sits. */
export interface Seat {
  readonly chain: ChainId;
  /** Index in that chain's committee. */
  readonly index: number;
}

/** Who is in which committee: public, the same for everybody. */
export class Directory {
  readonly chains: readonly ChainInfo[];
  readonly #committees: readonly Committee[];
  readonly #seats = new Map<NodeId, Seat>();

  /** @param committees by chain, in the order of `chains` */
  constructor(chains: readonly ChainInfo[], committees: readonly Committee[]) {
    this.chains = chains;
    this.#committees = committees;
    committees.forEach(({ validators }, chain) => {
      validators.forEach(({ node }, index) => {
        this.#seats.set(node, { chain, index });
      });
    });
  }

  committeeOf(chain: ChainId): Committee {
    const committee = this.#committees[chain];
    if (committee === undefined) throw new RangeError(`there is no chain ${chain}`);
    return committee;
  }

  nameOf(chain: ChainId): string {
    return this.chains[chain]?.name ?? `chain ${chain}`;
  }

  /** The validators of a chain, by index. */
  nodesOf(chain: ChainId): NodeId[] {
    return this.committeeOf(chain).validators.map(({ node }) => node);
  }

  /** Where a node sits; undefined for nodes that are no validators. */
  seatOf(node: NodeId): Seat | undefined {
    return this.#seats.get(node);
  }
}
