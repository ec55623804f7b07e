"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRouter } from "next/navigation";
import { useState } from "react";
import { useTRPC } from "@/trpc/client.tsx";
import { Button } from "@/ui/button.tsx";
import { Dialog } from "@/ui/dialog.tsx";
import { Input } from "@/ui/fields.tsx";
import { Labelled } from "@/ui/labelled.tsx";
import { Notice } from "@/ui/status.tsx";
import { routes } from "./routes.ts";

/** Makes an organisation of the user's own, with its first project. */
export function NewOrganizationDialog({ onClose }: { onClose: () => void }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const router = useRouter();
  const [name, setName] = useState("");
  const [projectName, setProjectName] = useState("First project");
  const create = useMutation(
    trpc.organization.create.mutationOptions({
      onSuccess: async ({ projectId }) => {
        await Promise.all([
          queryClient.invalidateQueries(trpc.session.me.pathFilter()),
          queryClient.invalidateQueries(trpc.project.list.pathFilter()),
        ]);
        onClose();
        router.push(routes.launchList(projectId));
      },
    }),
  );
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title="New organisation"
      description="People, machines and projects of one team. You own it and can add others."
    >
      <form
        className="flex flex-col gap-3"
        onSubmit={(event) => {
          event.preventDefault();
          create.mutate({ name: name.trim(), projectName: projectName.trim() });
        }}
      >
        <NameField label="Name" value={name} onChange={setName} />
        <NameField label="First project" value={projectName} onChange={setProjectName} />
        {create.isError && (
          <Notice tone="bad" title="The organisation was not made">
            {create.error.message}
          </Notice>
        )}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button
            type="submit"
            variant="primary"
            disabled={name.trim() === "" || projectName.trim() === "" || create.isPending}
          >
            Create organisation
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function NameField(props: { label: string; value: string; onChange: (name: string) => void }) {
  return (
    <Labelled label={props.label}>
      {(id) => (
        <Input
          id={id}
          value={props.value}
          maxLength={100}
          onChange={(event) => props.onChange(event.target.value)}
        />
      )}
    </Labelled>
  );
}
