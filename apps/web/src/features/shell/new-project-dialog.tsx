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

/** Makes a project in an organisation. */
export function NewProjectDialog({
  organization,
  onClose,
}: {
  organization: { id: string; name: string };
  onClose: () => void;
}) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const router = useRouter();
  const [name, setName] = useState("");
  const create = useMutation(
    trpc.project.create.mutationOptions({
      onSuccess: async (project) => {
        await queryClient.invalidateQueries(trpc.project.list.pathFilter());
        onClose();
        router.push(routes.launchList(project.id));
      },
    }),
  );
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title="New project"
      description={`Runs and configs live in a project. Members of ${organization.name} see it.`}
    >
      <form
        className="flex flex-col gap-3"
        onSubmit={(event) => {
          event.preventDefault();
          create.mutate({ organizationId: organization.id, name: name.trim() });
        }}
      >
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
        {create.isError && (
          <Notice tone="bad" title="The project was not made">
            {create.error.message}
          </Notice>
        )}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" variant="primary" disabled={name.trim() === "" || create.isPending}>
            Create project
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
