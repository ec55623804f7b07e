"use client";

import { useQuery } from "@tanstack/react-query";
import { FolderOpen, Save } from "lucide-react";
import { useState } from "react";
import { toast } from "sonner";
import { useTRPC, useTRPCClient } from "@/trpc/client.tsx";
import { Button } from "@/ui/button.tsx";
import { Menu, MenuItem, MenuLabel } from "@/ui/menu.tsx";
import { messageOf } from "@/ui/status.tsx";
import type { RevisionOrigin } from "./draft.ts";
import { SaveConfigDialog } from "./save-config-dialog.tsx";

interface ActionsProps {
  projectId: string;
  kind: string;
  role: string;
  config: unknown;
  revision: RevisionOrigin | null;
  isValid: boolean;
  onOpened: (revision: RevisionOrigin) => void;
  onSaved: (revision: RevisionOrigin) => void;
}

/** Opens a saved config into the form, and saves the form as one. */
export function ConfigActions(props: ActionsProps) {
  const [saving, setSaving] = useState(false);
  return (
    <>
      <OpenMenu {...props} />
      {props.role !== "viewer" && (
        <Button size="small" disabled={!props.isValid} onClick={() => setSaving(true)}>
          <Save aria-hidden /> Save
        </Button>
      )}
      {saving && (
        <SaveConfigDialog
          {...props}
          onClose={() => setSaving(false)}
          onSaved={(saved) => {
            setSaving(false);
            props.onSaved(saved);
          }}
        />
      )}
    </>
  );
}

function OpenMenu({ projectId, kind, onOpened }: ActionsProps) {
  const trpc = useTRPC();
  const client = useTRPCClient();
  const configs = useQuery(trpc.config.list.queryOptions({ projectId, kind }));
  const open = async (revisionId: string) => {
    try {
      const revision = await client.config.revision.query({ revisionId });
      onOpened({
        id: revision.id,
        name: revision.name,
        number: revision.number,
        config: revision.config,
      });
    } catch (error) {
      toast.error(messageOf(error));
    }
  };
  return (
    <Menu
      align="end"
      trigger={
        <Button size="small">
          <FolderOpen aria-hidden /> Open
        </Button>
      }
    >
      <MenuLabel>Saved configs</MenuLabel>
      {(configs.data ?? []).map((saved) => (
        <MenuItem key={saved.id} onSelect={() => void open(saved.latest.id)}>
          <span className="min-w-0 flex-1 truncate">{saved.name}</span>
          <span className="text-xs text-muted">revision {saved.latest.number}</span>
        </MenuItem>
      ))}
      {configs.data?.length === 0 && (
        <p className="px-2 pb-2 text-muted">None saved for this experiment yet.</p>
      )}
    </Menu>
  );
}
