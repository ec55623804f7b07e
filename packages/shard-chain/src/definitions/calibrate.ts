import { defineExperiment, table } from "@fmlab/experiment";
import { z } from "zod";

/** What operations of a validator cost on this machine. */
export const calibrate = defineExperiment({
  kind: "shard-chain.calibrate",
  version: 1,
  title: "Costs of this machine",
  question: "How long does one core of this machine take for what validators do?",
  config: z.object({}),
  presets: {
    all: {
      title: "All operations",
      description: "Signatures, state, contracts; `fmlab calibrate` also keeps the table.",
      everywhere: true,
      config: {},
    },
  },
  requires: () => ({ files: [] }),
  fidelity: () => "measured",
  metrics: {
    costUs: {
      title: "Cost",
      unit: "µs",
      better: "lower",
      help: "Of one operation on one core; fastest of several batches.",
      measured: true,
    },
    verifyUs: {
      title: "Verifying a vote",
      unit: "µs",
      better: "lower",
      help: "One Ed25519 signature.",
      measured: true,
      headline: true,
    },
  },
  views: [table("costs", "Costs", "Of one operation on one core.")],
  load: () => import(/* turbopackIgnore: true */ "../calibration/run.ts"),
});
