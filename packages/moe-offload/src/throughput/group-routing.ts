/**
 * Says which experts the tokens of many sequences choose, in place of routers that learned nothing.
 * Sequences are numbered over all groups that an engine generates.
 */
export interface GroupRouting {
  /**
   * @param position  of the first token in its sequence, from 0
   * @param chosen    `[tokens * used]`: what the router said, best first; overwritten
   */
  replace(layer: number, sequence: number, position: number, chosen: Int32Array): void;
}
