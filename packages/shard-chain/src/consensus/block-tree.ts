import type { Block } from "../node/block.ts";
import type { ChainTip } from "./chain.ts";
import type { HotStuffProposal } from "./hotstuff-messages.ts";

/** Proposals of one view that are kept; an equivocating leader gets no more room. */
const PROPOSALS_PER_VIEW = 2;
/** Proposals kept whose parent is not known yet. */
const ORPHANS_MAX = 64;

/** Proposed blocks above the last final one, by id. Every block in it reaches that one. */
export class BlockTree {
  readonly #proposals = new Map<string, HotStuffProposal>();
  readonly #orphans: HotStuffProposal[] = [];

  get proposals(): HotStuffProposal[] {
    return [...this.#proposals.values()];
  }

  get(blockId: string): Block | undefined {
    return this.#proposals.get(blockId)?.block;
  }

  proposalOf(blockId: string): HotStuffProposal | undefined {
    return this.#proposals.get(blockId);
  }

  /** False when the view's leader has used up its room and the block is not certified. */
  add(proposal: HotStuffProposal, isCertified: boolean): boolean {
    const view = proposal.block.header.round;
    let ofView = 0;
    for (const { block } of this.#proposals.values()) if (block.header.round === view) ofView++;
    if (ofView >= PROPOSALS_PER_VIEW && !isCertified) return false;
    this.#proposals.set(proposal.block.id, proposal);
    return true;
  }

  /** Keeps a proposal until its parent comes; the oldest makes room. */
  addOrphan(proposal: HotStuffProposal): void {
    if (this.#orphans.some(({ block }) => block.id === proposal.block.id)) return;
    this.#orphans.push(proposal);
    if (this.#orphans.length > ORPHANS_MAX) this.#orphans.shift();
  }

  /** The proposals that wait for a block. */
  orphansOf(parentId: string): HotStuffProposal[] {
    return this.#orphans.filter(({ block }) => block.header.parentId === parentId);
  }

  /** Takes out the proposals that waited for a block. */
  takeOrphansOf(parentId: string): HotStuffProposal[] {
    const children = this.orphansOf(parentId);
    for (const child of children) this.#orphans.splice(this.#orphans.indexOf(child), 1);
    return children;
  }

  /**
   * The blocks after `tip` up to and with `blockId`, oldest first; empty for the tip itself;
   * undefined when the block does not follow the tip.
   */
  pathTo(blockId: string, tip: ChainTip): Block[] | undefined {
    const path: Block[] = [];
    let id = blockId;
    while (id !== tip.id) {
      const block = this.get(id);
      if (block === undefined) return undefined;
      path.push(block);
      id = block.header.parentId;
    }
    return path.reverse();
  }

  /** Forgets what no longer can follow the last final block. */
  prune(tip: ChainTip): void {
    for (const [id, { block }] of this.#proposals) {
      if (block.header.height <= tip.height) this.#proposals.delete(id);
    }
  }
}
