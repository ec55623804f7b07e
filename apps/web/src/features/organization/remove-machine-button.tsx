"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { toast } from "sonner";
import { useTRPC } from "@/trpc/client.tsx";
import { Button } from "@/ui/button.tsx";

/** Removes a machine, by a second press. */
export function RemoveMachineButton({
  organizationId,
  machine,
}: {
  organizationId: string;
  machine: { id: string; name: string };
}) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const [sure, setSure] = useState(false);
  const remove = useMutation(
    trpc.machine.remove.mutationOptions({
      onSuccess: () => queryClient.invalidateQueries(trpc.machine.list.pathFilter()),
      onError: (error) => toast.error(error.message),
    }),
  );
  return (
    <Button
      variant="danger"
      disabled={remove.isPending}
      onBlur={() => setSure(false)}
      onClick={() =>
        sure ? remove.mutate({ organizationId, machineId: machine.id }) : setSure(true)
      }
    >
      {sure ? "Really remove?" : "Remove"}
      <span className="sr-only"> {machine.name}</span>
    </Button>
  );
}
