"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { CopyPlus, MoreHorizontal, RotateCcw, Square, Trash2 } from "lucide-react";
import Link from "next/link";
import { useRouter } from "next/navigation";
import { useState } from "react";
import { toast } from "sonner";
import { routes } from "@/features/shell/routes.ts";
import { useTRPC } from "@/trpc/client.tsx";
import { Button } from "@/ui/button.tsx";
import { Dialog } from "@/ui/dialog.tsx";
import { Menu, MenuItem } from "@/ui/menu.tsx";
import { isTerminal } from "@/ui/run-states.ts";
import type { RunDetail } from "./run-page.tsx";

/** Cancel, retry, clone and edit, remove: as far as the reader's role allows. */
export function RunActions({ run, projectId }: { run: RunDetail; projectId: string }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const router = useRouter();
  const [removing, setRemoving] = useState(false);
  const onError = (error: { message: string }) => toast.error(error.message);
  const cancel = useMutation(
    trpc.run.cancel.mutationOptions({
      onSuccess: () => queryClient.invalidateQueries(trpc.run.pathFilter()),
      onError,
    }),
  );
  const retry = useMutation(
    trpc.run.retry.mutationOptions({
      onSuccess: ({ id }) => router.push(routes.run(projectId, id)),
      onError,
    }),
  );
  if (run.role === "viewer") return null;
  const done = isTerminal(run.state);
  const canRemove = done && (run.role === "admin" || run.role === "owner");
  return (
    <div className="flex items-center gap-1.5">
      {done ? (
        <Button disabled={retry.isPending} onClick={() => retry.mutate({ runId: run.id })}>
          <RotateCcw aria-hidden /> Retry
        </Button>
      ) : (
        <Button
          variant="danger"
          disabled={cancel.isPending || run.state === "CANCELLING"}
          onClick={() => cancel.mutate({ runId: run.id })}
        >
          <Square aria-hidden /> Cancel
        </Button>
      )}
      <Button asChild>
        <Link href={routes.launch(projectId, run.kind, { from: run.id })}>
          <CopyPlus aria-hidden /> Clone and edit
        </Link>
      </Button>
      {canRemove && (
        <Menu
          align="end"
          trigger={
            <Button size="icon" variant="quiet" aria-label="More actions">
              <MoreHorizontal aria-hidden />
            </Button>
          }
        >
          <MenuItem className="text-bad" onSelect={() => setRemoving(true)}>
            <Trash2 aria-hidden /> Remove run…
          </MenuItem>
        </Menu>
      )}
      {removing && (
        <RemoveDialog run={run} projectId={projectId} onClose={() => setRemoving(false)} />
      )}
    </div>
  );
}

function RemoveDialog({
  run,
  projectId,
  onClose,
}: {
  run: RunDetail;
  projectId: string;
  onClose: () => void;
}) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const router = useRouter();
  const remove = useMutation(
    trpc.run.remove.mutationOptions({
      onSuccess: async () => {
        router.push(routes.runs(projectId));
        await queryClient.invalidateQueries(trpc.run.list.pathFilter());
      },
      onError: (error) => toast.error(error.message),
    }),
  );
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title="Remove this run?"
      description="Its metrics, logs, pictures and artifacts go with it. This cannot be undone."
    >
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>Keep it</Button>
        <Button
          variant="danger"
          disabled={remove.isPending}
          onClick={() => remove.mutate({ runId: run.id })}
        >
          Remove run
        </Button>
      </div>
    </Dialog>
  );
}
