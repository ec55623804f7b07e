import { hash } from "node:crypto";
import type { Application, PayloadPlace } from "../node/application.ts";
import type { Block, CommittedBlock, Payload, PayloadCodec } from "../node/block.ts";

const COMMAND_BYTES = 4;

/** A payload of numbered commands. */
function commandPayload(commands: readonly number[]): Payload {
  const digest = hash("sha256", `commands|${commands.join(",")}`);
  return { digest, sizeBytes: COMMAND_BYTES * commands.length, content: commands };
}

/** Payloads of commands for sockets: four bytes a command. */
export const COMMAND_CODEC: PayloadCodec = {
  encode(payload) {
    const commands = payload.content as readonly number[];
    const bytes = Buffer.alloc(COMMAND_BYTES * commands.length);
    commands.forEach((command, i) => {
      bytes.writeInt32BE(command, COMMAND_BYTES * i);
    });
    return bytes;
  },
  decode(bytes) {
    if (bytes.length % COMMAND_BYTES !== 0) return undefined;
    const buffer = Buffer.from(bytes);
    const count = bytes.length / COMMAND_BYTES;
    return commandPayload(
      Array.from({ length: count }, (_, i) => buffer.readInt32BE(COMMAND_BYTES * i)),
    );
  },
};

/** What a faulty proposer puts into its payloads. */
export type PayloadFault = "censor" | "invalid-payload" | undefined;

/**
 * The least application that can tell a wrong consensus from a right one: clients hand in numbered
 * commands, and each must become final exactly once, whoever proposes.
 */
export class CommandApplication implements Application {
  readonly committed: CommittedBlock[] = [];
  readonly #known: readonly number[];
  readonly #fault: PayloadFault;
  readonly #done = new Set<number>();

  /**
   * @param known the commands that clients have signed; others are refused
   * @param first which of them is proposed first, so that copies of a validator differ
   */
  constructor(known: readonly number[], fault?: PayloadFault, first = 0) {
    this.#known = [...known.slice(first), ...known.slice(0, first)];
    this.#fault = fault;
  }

  propose({ pending }: PayloadPlace): Payload {
    if (this.#fault === "censor") return commandPayload([]);
    if (this.#fault === "invalid-payload") return commandPayload([-1]);
    const taken = new Set([...this.#done, ...pending.flatMap(commandsOf)]);
    const next = this.#known.find((command) => !taken.has(command));
    return commandPayload(next === undefined ? [] : [next]);
  }

  validate(payload: Payload, { pending }: PayloadPlace): boolean {
    const taken = new Set([...this.#done, ...pending.flatMap(commandsOf)]);
    const commands = payload.content as readonly number[];
    const isFresh = commands.every(
      (command) => this.#known.includes(command) && !taken.has(command),
    );
    return isFresh && new Set(commands).size === commands.length;
  }

  deliver(committed: CommittedBlock): void {
    this.committed.push(committed);
    for (const command of commandsOf(committed.block)) this.#done.add(command);
  }

  /** The commands that are final here. */
  get done(): ReadonlySet<number> {
    return this.#done;
  }
}

/** The commands of a block. */
export function commandsOf({ payload }: Block): readonly number[] {
  return payload.content as readonly number[];
}
