"use client";

import { useMutation } from "@tanstack/react-query";
import { useRouter } from "next/navigation";
import { useMemo, useRef, useState } from "react";
import { toast } from "sonner";
import { routes } from "@/features/shell/routes.ts";
import { type RouterInputs, useTRPC } from "@/trpc/client.tsx";
import { Tag } from "@/ui/badges.tsx";
import { plural } from "@/ui/format/number.ts";
import { newUuid } from "@/ui/new-uuid.ts";
import { PageHeader, Panel } from "@/ui/panel.tsx";
import { ConfigActions } from "./config-actions.tsx";
import { ConfigEditor } from "./config-editor.tsx";
import { isSameConfig } from "./config-values.ts";
import {
  checkSettings,
  initialSettings,
  launchSource,
  type Origin,
  type RevisionOrigin,
} from "./draft.ts";
import type { ExperimentDetail } from "./launch-page.tsx";
import { LaunchSidebar } from "./launch-sidebar.tsx";
import { PaperLink } from "./paper-link.tsx";
import { PresetPicker } from "./preset-picker.tsx";
import { useConfigCheck } from "./use-config-check.ts";
import { fieldId } from "./use-field.ts";

interface LaunchFormProps {
  projectId: string;
  role: string;
  experiment: ExperimentDetail;
  origin: Origin;
}

/** The config being edited, and the preset or saved revision it started from. */
function useDraft(experiment: ExperimentDetail, origin: Origin) {
  const [config, setConfig] = useState<unknown>(origin.config);
  const [preset, setPreset] = useState(origin.preset);
  const [revision, setRevision] = useState(origin.revision);
  const chosen = preset === null ? undefined : experiment.presets[preset];
  return {
    config,
    setConfig,
    revision,
    setRevision,
    source: launchSource(
      config,
      preset === null || chosen === undefined ? null : { name: preset, config: chosen.config },
      revision,
    ),
    originText: originText(origin, chosen?.title, isSameConfig(config, origin.config)),
    choosePreset: (name: string) => {
      setPreset(name);
      setRevision(null);
      setConfig(experiment.presets[name]?.config ?? experiment.defaults);
    },
    openRevision: (opened: RevisionOrigin) => {
      setRevision(opened);
      setPreset(null);
      setConfig(opened.config);
    },
  };
}

/** A config, its seeds and limits, and the button that makes runs of them. */
export function LaunchForm({ projectId, role, experiment, origin }: LaunchFormProps) {
  const { config, revision, source, ...draft } = useDraft(experiment, origin);
  const [settings, setSettings] = useState(() => initialSettings(origin.seed));
  const check = useConfigCheck(projectId, experiment.kind, config);
  const checked = useMemo(() => checkSettings(settings), [settings]);
  const launch = useLaunch(projectId, experiment.kind);
  const submit = () => {
    const wrong = check.problems[0] ?? (checked.ok ? undefined : checked.problems[0]);
    if (wrong !== undefined) focusField(wrong.path);
    else if (checked.ok) {
      launch.start({ projectId, kind: experiment.kind, ...source, ...checked.value });
    }
  };
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <LaunchHeader experiment={experiment} />
      <div className="grid items-start gap-4 xl:grid-cols-[minmax(0,1fr)_21rem]">
        <div className="flex min-w-0 flex-col gap-4">
          <PresetPicker
            experiment={experiment}
            chosen={"preset" in source ? source.preset : null}
            onChoose={draft.choosePreset}
          />
          <Panel
            title="Configuration"
            help={draft.originText}
            actions={
              <ConfigActions
                {...{ projectId, role, config, revision }}
                kind={experiment.kind}
                isValid={check.isValid}
                onOpened={draft.openRevision}
                onSaved={draft.setRevision}
              />
            }
          >
            <ConfigEditor
              schema={experiment.jsonSchema}
              config={config}
              onChange={draft.setConfig}
              // What concerns no single field is told beside the Launch button.
              problems={check.problems.filter(({ path }) => path !== "" || !check.isValid)}
            />
          </Panel>
        </div>
        <LaunchSidebar
          {...{ settings, setSettings, checked, check, role, experiment }}
          isLaunching={launch.isBusy}
          failure={launch.failure}
        />
      </div>
    </form>
  );
}

function LaunchHeader({ experiment }: { experiment: ExperimentDetail }) {
  return (
    <PageHeader
      title={experiment.title}
      subtitle={experiment.question}
      actions={
        <span className="flex items-center gap-2 text-xs text-muted">
          <span className="font-mono">{experiment.kind}</span>
          <PaperLink paper={experiment.paper} />
          <Tag title="Version of the experiment's definition">v{experiment.version}</Tag>
        </span>
      }
    />
  );
}

/** Launches, then leads to the run, or to the table of the new runs. */
function useLaunch(projectId: string, kind: string) {
  const trpc = useTRPC();
  const router = useRouter();
  const create = useMutation(
    trpc.run.create.mutationOptions({
      onSuccess: ({ runs, launchId }) => {
        const [only] = runs;
        if (runs.length === 1 && only !== undefined) router.push(routes.run(projectId, only.id));
        else {
          toast.success(`${plural(runs.length, "run")} queued`);
          router.push(routes.runs(projectId, `kind=${kind}&launch=${launchId}`));
        }
      },
    }),
  );
  // The same launch pressed again, e.g. after a lost answer, keeps its key: it creates nothing new.
  const last = useRef({ content: "", key: "" });
  const start = (input: Omit<RouterInputs["run"]["create"], "idempotencyKey">) => {
    const content = JSON.stringify(input);
    if (last.current.content !== content) last.current = { content, key: newUuid() };
    create.mutate({ ...input, idempotencyKey: last.current.key });
  };
  return {
    start,
    isBusy: create.isPending || create.isSuccess,
    failure: create.error?.message ?? null,
  };
}

function focusField(path: string): void {
  const element =
    document.getElementById(fieldId(path)) ??
    document.getElementById(path) ??
    document.getElementById("readiness");
  element?.focus();
  element?.scrollIntoView({ block: "center" });
}

function originText(origin: Origin, presetTitle: string | undefined, isUnchanged: boolean): string {
  if (presetTitle !== undefined) return `Started from the preset “${presetTitle}”.`;
  if (origin.label === null) return "";
  return `${isUnchanged ? "Copied" : "Changed"} from ${origin.label}.`;
}
