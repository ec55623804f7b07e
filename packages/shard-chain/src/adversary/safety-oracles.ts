import { type CommandApplication, commandsOf } from "./command-application.ts";

/** A property that a run has broken. */
export type Violation =
  /** Two correct validators hold different blocks of one height. */
  | { readonly kind: "agreement"; readonly height: number; readonly blockIds: readonly string[] }
  /** A command is final that no client handed in, or twice. */
  | { readonly kind: "validity"; readonly height: number; readonly command: number }
  /** A correct validator made no progress, or a command was not final, long after settling. */
  | { readonly kind: "liveness"; readonly heights: readonly number[] };

/** Blocks that every correct validator must add after the network has settled. */
const BLOCKS_AFTER_SETTLING = 3;

/** What the correct validators' final chains show so far. */
export function findViolations(
  commands: readonly number[],
  applications: readonly CommandApplication[],
): Violation[] {
  const longest = Math.max(...applications.map(({ committed }) => committed.length));
  for (let height = 1; height <= longest; height++) {
    const blocks = applications.flatMap(({ committed }) => committed[height - 1]?.block ?? []);
    const blockIds = [...new Set(blocks.map(({ id }) => id))];
    if (blockIds.length > 1) return [{ kind: "agreement", height, blockIds }];
  }
  for (const { committed } of applications) {
    const seen = new Set<number>();
    for (const { block } of committed) {
      for (const command of commandsOf(block)) {
        const isWrong = seen.has(command) || !commands.includes(command);
        if (isWrong) return [{ kind: "validity", height: block.header.height, command }];
        seen.add(command);
      }
    }
  }
  return [];
}

/** Whether all commands are final everywhere and every chain has grown since `heightsThen`. */
export function isLive(
  commands: readonly number[],
  applications: readonly CommandApplication[],
  heightsThen: readonly number[],
): boolean {
  return applications.every(
    ({ committed, done }, i) =>
      done.size === commands.length &&
      committed.length >= (heightsThen[i] ?? 0) + BLOCKS_AFTER_SETTLING,
  );
}
