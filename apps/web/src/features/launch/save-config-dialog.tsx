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

/** Saves a config under a name; a name that exists gets a further revision. */
export function SaveConfigDialog({
  projectId,
  kind,
  config,
  revision,
  onSaved,
  onClose,
}: {
  projectId: string;
  kind: string;
  config: unknown;
  revision: RevisionOrigin | null;
  onSaved: (revision: RevisionOrigin) => void;
  onClose: () => void;
}) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const [name, setName] = useState(revision?.name ?? "");
  const [message, setMessage] = useState("");
  const save = useMutation(
    trpc.config.save.mutationOptions({
      onSuccess: async (saved) => {
        await queryClient.invalidateQueries(trpc.config.pathFilter());
        toast.success(`Saved as ${name.trim()}, revision ${saved.number}`);
        onSaved({ id: saved.revisionId, name: name.trim(), number: saved.number, config });
      },
    }),
  );
  const submit = (event: React.FormEvent) => {
    event.preventDefault();
    // React passes a portal's events on to the form behind it.
    event.stopPropagation();
    save.mutate({
      projectId,
      kind,
      name: name.trim(),
      config: config as Record<string, unknown>,
      message: message.trim(),
      ...(revision !== null && revision.name === name.trim() ? { parentId: revision.id } : {}),
    });
  };
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title="Save config"
      description="A saved revision never changes. Saving under a known name adds the next revision."
    >
      <form className="flex flex-col gap-3" onSubmit={submit}>
        <Labelled label="Name">
          {(id) => (
            <Input
              id={id}
              value={name}
              maxLength={100}
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Labelled>
        <Labelled label="What changed">
          {(id) => (
            <Input
              id={id}
              value={message}
              maxLength={500}
              placeholder="Optional"
              onChange={(event) => setMessage(event.target.value)}
            />
          )}
        </Labelled>
        {save.isError && (
          <Notice tone="bad" title="Not saved">
            {save.error.message}
          </Notice>
        )}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" variant="primary" disabled={name.trim() === "" || save.isPending}>
            Save
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
