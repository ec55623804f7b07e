"use client";

import { Play } from "lucide-react";
import { Button } from "@/ui/button.tsx";
import { plural } from "@/ui/format/number.ts";
import { sentence } from "@/ui/format/sentence.ts";
import { HelpText } from "@/ui/help-text.tsx";
import { Panel } from "@/ui/panel.tsx";
import { Notice } from "@/ui/status.tsx";
import { type checkSettings, type LaunchSettings, problemsByPath } from "./draft.ts";
import type { ExperimentDetail } from "./launch-page.tsx";
import { LimitFields, SeedFields } from "./settings-fields.tsx";
import type { ConfigCheck } from "./use-config-check.ts";

interface SidebarProps {
  settings: LaunchSettings;
  setSettings: (settings: LaunchSettings) => void;
  checked: ReturnType<typeof checkSettings>;
  check: ConfigCheck;
  role: string;
  experiment: ExperimentDetail;
  isLaunching: boolean;
  failure: string | null;
}

/** Seeds, limits, where it can run, and the Launch button. */
export function LaunchSidebar(props: SidebarProps) {
  const { settings, setSettings, checked, check } = props;
  const problems = problemsByPath(checked.ok ? [] : checked.problems);
  const set = (changed: Partial<LaunchSettings>) => setSettings({ ...settings, ...changed });
  const count = checked.ok ? checked.value.seeds.length * checked.value.repeats : 0;
  const wrong = check.problems.length + (checked.ok ? 0 : checked.problems.length);
  return (
    <div className="flex flex-col gap-4 xl:sticky xl:top-5">
      <Panel title="Launch">
        <div className="flex flex-col gap-4">
          <SeedFields {...{ settings, set, problems }} />
          <LimitFields {...{ settings, set, problems }} />
          <Readiness check={check} machines={props.experiment.machines} />
          {props.failure !== null && (
            <div role="alert">
              <Notice tone="bad" title="Nothing was launched">
                {props.failure}
              </Notice>
            </div>
          )}
          {props.role === "viewer" ? (
            <p className="text-xs text-muted">
              You can look at this project. To launch, ask an admin for the role member.
            </p>
          ) : (
            <div className="flex flex-col gap-1.5">
              <Button type="submit" variant="primary" size="large" disabled={props.isLaunching}>
                <Play aria-hidden />
                {count > 0 ? `Launch ${plural(count, "run")}` : "Launch"}
              </Button>
              <p aria-live="polite" className="min-h-5 text-center text-xs text-bad">
                {wrong > 0 && `${plural(wrong, "problem")} to mend before it can be launched`}
              </p>
            </div>
          )}
        </div>
      </Panel>
    </div>
  );
}

/** Which machines can take it, and what is missing. */
function Readiness({ check, machines }: { check: ConfigCheck; machines: number }) {
  if (check.error !== null) {
    return (
      <Notice tone="warn" title="The server could not check this">
        {sentence(check.error.message)}
      </Notice>
    );
  }
  const { server } = check;
  if (server === undefined) {
    return (
      <p className="text-xs text-muted">
        {check.problems.length > 0 ? "Not checked with the machines yet." : "Checking…"}
      </p>
    );
  }
  // Without a machine, which files none of them has is beside the point.
  const missing = machines === 0 ? [] : server.missingFiles;
  return (
    <div id="readiness" tabIndex={-1} className="flex flex-col gap-2" data-testid="readiness">
      {missing.map((file) => (
        <Notice key={file.path} tone="warn" title={`${file.path} is on no machine`}>
          <p>Source: {file.source}</p>
          <p>Licence: {file.licence}</p>
          <p>
            Put it in the {file.room === "model" ? "models" : "data"} folder of a runner&apos;s
            machine.
          </p>
        </Notice>
      ))}
      {server.runnableOn.length > 0 ? (
        <p className="text-xs">
          <span className="text-muted">Can run on </span>
          {server.runnableOn.join(", ")}
        </p>
      ) : missing.length > 0 ? null : (
        <Notice tone="warn" title={unfitTitle(server)}>
          <HelpText text={sentence(unfit(server, machines))} />
        </Notice>
      )}
    </div>
  );
}

const unfitTitle = (server: NonNullable<ConfigCheck["server"]>): string =>
  server.requires === null ? "This config cannot be launched" : "No machine online can run this";

/** Why nothing can run it, in the server's own words where it has some. */
function unfit(server: NonNullable<ConfigCheck["server"]>, machines: number): string {
  if (machines === 0) {
    return (
      "No machine is connected to this organisation. Make an agent token under Organisation, API " +
      "tokens, and start “fmlab agent” with it."
    );
  }
  const told = server.problems.filter(({ path }) => path === "").map(({ message }) => message);
  if (told.length > 0) return told.join(" ");
  return `${plural(machines, "machine is", "machines are")} online, but none offers what it needs.`;
}
