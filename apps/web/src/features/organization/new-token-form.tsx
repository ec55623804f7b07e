"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { ClipboardCopy } from "lucide-react";
import { useState } from "react";
import { toast } from "sonner";
import { useTRPC } from "@/trpc/client.tsx";
import { Button } from "@/ui/button.tsx";
import { Input, Select } from "@/ui/fields.tsx";
import { Panel } from "@/ui/panel.tsx";
import { Notice } from "@/ui/status.tsx";
import { allows } from "./roles.ts";

const LIFETIMES = [
  { days: "", name: "no expiry" },
  { days: "30", name: "30 days" },
  { days: "90", name: "90 days" },
  { days: "365", name: "1 year" },
];

/** Makes a token and shows its secret this one time. */
export function NewTokenForm({ organizationId, role }: { organizationId: string; role: string }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const [name, setName] = useState("");
  const [use, setUse] = useState<"agent" | "cli">("cli");
  const [days, setDays] = useState("90");
  const create = useMutation(
    trpc.token.create.mutationOptions({
      onSuccess: async () => {
        setName("");
        await queryClient.invalidateQueries(trpc.token.list.pathFilter());
      },
    }),
  );
  return (
    <Panel title="New token">
      <form
        className="flex flex-col gap-3"
        onSubmit={(event) => {
          event.preventDefault();
          create.mutate({
            organizationId,
            name: name.trim(),
            use,
            ...(days === "" ? {} : { expiresInDays: Number(days) }),
          });
        }}
      >
        <div className="flex flex-wrap gap-2">
          <Input
            aria-label="Name of the token"
            placeholder="Name, e.g. gpu-box-1"
            className="max-w-64"
            maxLength={100}
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
          <Select
            aria-label="What it is for"
            value={use}
            onChange={(event) => setUse(event.target.value as "agent" | "cli")}
          >
            <option value="cli">command line</option>
            {allows(role, "admin") && <option value="agent">agent on a machine</option>}
          </Select>
          <Select
            aria-label="Expires after"
            value={days}
            onChange={(event) => setDays(event.target.value)}
          >
            {LIFETIMES.map((lifetime) => (
              <option key={lifetime.days} value={lifetime.days}>
                {lifetime.name}
              </option>
            ))}
          </Select>
          <Button type="submit" variant="primary" disabled={name.trim() === "" || create.isPending}>
            Create token
          </Button>
        </div>
        {create.isError && (
          <Notice tone="bad" title="No token was made">
            {create.error.message}
          </Notice>
        )}
        {create.data !== undefined && <Secret secret={create.data.secret} />}
      </form>
    </Panel>
  );
}

function Secret({ secret }: { secret: string }) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(secret);
      toast.success("Token copied");
    } catch {
      toast.error("The browser did not allow copying. Select the token instead.");
    }
  };
  return (
    <div role="status">
      <Notice tone="info" title="Copy the token now: it is shown only this once">
        <div className="mt-1 flex flex-wrap items-center gap-2">
          <code className="min-w-0 rounded bg-panel px-2 py-1 text-xs break-all select-all">
            {secret}
          </code>
          <Button size="small" onClick={() => void copy()}>
            <ClipboardCopy aria-hidden /> Copy
          </Button>
        </div>
      </Notice>
    </div>
  );
}
