"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { toast } from "sonner";
import { useTRPC } from "@/trpc/client.tsx";
import { Button } from "@/ui/button.tsx";
import { Dialog } from "@/ui/dialog.tsx";
import { Input } from "@/ui/fields.tsx";
import { Labelled } from "@/ui/labelled.tsx";
import { Notice } from "@/ui/status.tsx";
import type { RevisionOrigin } from "./draft.ts";

interface SaveProps {
  projectId: string;
  kind: string;
  config: unknown;
  revision: RevisionOrigin | null;
  onSaved: (revision: RevisionOrigin) => void;
  onClose: () => void;
}

/** Saves a config under a name; a name that exists gets a further revision. */
export function SaveConfigDialog(props: SaveProps) {
  const [name, setName] = useState(props.revision?.name ?? "");
  const [message, setMessage] = useState("");
  const save = useSave(props);
  const submit = (event: React.FormEvent) => {
    event.preventDefault();
    // React passes a portal's events on to the form behind it.
    event.stopPropagation();
    save.start(name.trim(), message.trim());
  };
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && props.onClose()}
      title="Save config"
      description="A saved revision never changes. Saving under a known name adds the next revision."
    >
      <form className="flex flex-col gap-3" onSubmit={submit}>
        <TextLine label="Name" maxLength={100} value={name} onType={setName} />
        <TextLine
          label="What changed"
          maxLength={500}
          placeholder="Optional"
          value={message}
          onType={setMessage}
        />
        {save.failure !== null && (
          <Notice tone="bad" title="Not saved">
            {save.failure}
          </Notice>
        )}
        <div className="flex justify-end gap-2">
          <Button onClick={props.onClose}>Cancel</Button>
          <Button type="submit" variant="primary" disabled={name.trim() === "" || save.isBusy}>
            Save
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function useSave({ projectId, kind, config, revision, onSaved }: SaveProps) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const save = useMutation(
    trpc.config.save.mutationOptions({
      onSuccess: async (saved, { name }) => {
        await queryClient.invalidateQueries(trpc.config.pathFilter());
        toast.success(`Saved as ${name}, revision ${saved.number}`);
        onSaved({ id: saved.revisionId, name, number: saved.number, config });
      },
    }),
  );
  const start = (name: string, message: string) =>
    save.mutate({
      projectId,
      kind,
      name,
      config: config as Record<string, unknown>,
      message,
      // On top of the revision that was opened: the server says so if someone saved meanwhile.
      ...(revision !== null && revision.name === name ? { parentId: revision.id } : {}),
    });
  return { start, isBusy: save.isPending, failure: save.error?.message ?? null };
}

function TextLine({
  label,
  onType,
  ...rest
}: { label: string; onType: (text: string) => void } & React.ComponentProps<"input">) {
  return (
    <Labelled label={label}>
      {(id) => <Input id={id} onChange={(event) => onType(event.target.value)} {...rest} />}
    </Labelled>
  );
}
