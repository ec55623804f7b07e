import { EXIT } from "./exit-code.ts";
import { type ConnectionOptions, connect, parseRunId } from "./server-client.ts";
import { out, outJson } from "./terminal.ts";

/** `fmlab cancel`: cancels runs; a running one is asked to stop and then made to. */
export async function cancelCommand(
  ids: string[],
  options: ConnectionOptions & { json: boolean },
): Promise<number> {
  const runIds = ids.map(parseRunId);
  const connection = connect(options);
  const states: { id: string; state: string }[] = [];
  for (const id of runIds) {
    const { state } = await connection.mutate<{ state: string }>("run.cancel", { runId: id });
    states.push({ id, state });
    if (!options.json) out(`${id}  ${state}`);
  }
  if (options.json) outJson(states);
  return EXIT.success;
}
