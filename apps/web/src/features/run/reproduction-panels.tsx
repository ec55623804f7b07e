"use client";

import type { Reproduction } from "@fmlab/experiment";
import { humanise } from "@/features/launch/humanise.ts";
import { formatBytes, plural } from "@/ui/format/number.ts";
import { GpuList } from "@/ui/gpu-list.tsx";
import { Facts, Panel } from "@/ui/panel.tsx";

/** The machine, the code and the inputs of a run, as the runner recorded them. */
export function ReproductionPanels({
  record,
  machineName,
}: {
  record: Reproduction;
  machineName: string | null;
}) {
  const { machine, code, inputs, notes } = record;
  const short = (hash: string | null) => (hash === null ? "unknown" : hash.slice(0, 16));
  return (
    <>
      <Panel title="Machine">
        <Facts
          facts={[
            ["Name", machineName ?? "removed since"],
            ["CPU", `${machine.cpuModel}, ${plural(machine.cpuCount, "thread")}`],
            ["Memory", formatBytes(machine.memoryBytes)],
            ["GPU", <GpuList key="gpus" gpus={machine.gpus} />],
            ["System", `${machine.platform} ${machine.arch}, ${machine.kernel}`],
            ["Node", machine.nodeVersion],
            ...Object.entries(notes).map(([key, value]) => noteFact(key, value)),
          ]}
        />
      </Panel>
      <Panel title="Code and inputs">
        <Facts
          facts={[
            ["fmlab", code.fmlabVersion],
            ["Commit", <code key="commit">{short(code.gitCommit)}</code>],
            ["Changes", changes(code.dirty, code.diffSha256)],
            ["Lock file", <code key="lock">{short(code.lockfileSha256)}</code>],
            ...inputs.map((input): [string, React.ReactNode] => [
              "Input",
              <span key={input.path}>
                {input.path}, {formatBytes(input.sizeBytes)},{" "}
                <code title={input.sha256}>sha256 {input.sha256.slice(0, 16)}</code>
              </span>,
            ]),
          ]}
        />
      </Panel>
    </>
  );
}

function noteFact(key: string, value: unknown): [string, string] {
  const { title, unit } = humanise(key);
  return [title, unit === "" ? String(value) : `${value} ${unit}`];
}

function changes(dirty: boolean | null, diffSha256: string | null): string {
  if (dirty === null) return "unknown: no git repository there";
  if (!dirty) return "none: the commit is exact";
  return `uncommitted changes, sha256 ${diffSha256?.slice(0, 16) ?? "unknown"}`;
}
