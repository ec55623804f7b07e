import type { FromValidator, ToValidator } from "./cluster-messages.ts";
import { buildSite } from "./cluster-site.ts";
import { ClusterValidator } from "./cluster-validator.ts";
import { createMachine } from "./machine.ts";

let validator: ClusterValidator | undefined;

const tell = (message: FromValidator) => process.send?.(message);

process.on("message", (message: ToValidator) => {
  handle(message).catch((error: unknown) => {
    tell({ type: "broken", message: error instanceof Error ? error.message : String(error) });
    process.exitCode = 1;
    process.disconnect();
  });
});
// Without its cluster a validator has no one to report to.
process.on("disconnect", () => process.exit());

async function handle(message: ToValidator): Promise<void> {
  switch (message.type) {
    case "start": {
      const { plan, node } = message;
      const machine = createMachine(plan.zeroMs);
      const site = await buildSite(plan);
      validator = new ClusterValidator(plan, site, node, machine, (report) =>
        tell({ type: "block", report }),
      );
      const { height, stateRoot } = validator;
      await validator.open();
      tell({ type: "open", height, stateRoot, openedMs: machine.nowMs() });
      return;
    }
    case "cut-off":
      validator?.cutOff(new Set(message.nodes));
      return;
    case "stop":
      await validator?.close();
      process.disconnect();
  }
}
