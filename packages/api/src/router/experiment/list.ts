import { userProcedure } from "../../trpc.ts";

/** Every experiment that this server knows. */
export const list = userProcedure.query(({ ctx }) =>
  [...ctx.platform.experiments.values()].map((d) => ({
    kind: d.kind,
    version: d.version,
    title: d.title,
    question: d.question,
    paper: d.paper ?? null,
    presets: Object.entries(d.presets).map(([name, preset]) => ({
      name,
      title: preset.title,
      description: preset.description,
      everywhere: preset.everywhere ?? false,
    })),
  })),
);
