"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { toast } from "sonner";
import { useTRPC } from "@/trpc/client.tsx";
import { Button } from "@/ui/button.tsx";
import { TextArea } from "@/ui/fields.tsx";
import { Panel } from "@/ui/panel.tsx";
import type { RunDetail } from "./run-page.tsx";

/** A remark that people keep with a run. */
export function RunNote({ run }: { run: RunDetail }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const [typed, setTyped] = useState<string | null>(null);
  const save = useMutation(
    trpc.run.annotate.mutationOptions({
      onSuccess: async () => {
        await queryClient.invalidateQueries(trpc.run.get.queryFilter({ runId: run.id }));
        setTyped(null);
      },
      onError: (error) => toast.error(error.message),
    }),
  );
  const canWrite = run.role !== "viewer";
  return (
    <Panel title="Note">
      <TextArea
        aria-label="Note"
        rows={3}
        readOnly={!canWrite}
        placeholder={canWrite ? "What this run was for, what it showed" : "No note"}
        value={typed ?? run.note}
        onChange={(event) => setTyped(event.target.value)}
      />
      {typed !== null && typed !== run.note && (
        <div className="mt-2 flex justify-end gap-2">
          <Button onClick={() => setTyped(null)}>Discard</Button>
          <Button
            variant="primary"
            disabled={save.isPending}
            onClick={() => save.mutate({ runId: run.id, note: typed })}
          >
            Save note
          </Button>
        </div>
      )}
    </Panel>
  );
}
