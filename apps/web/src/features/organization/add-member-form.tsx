"use client";

import { zodResolver } from "@hookform/resolvers/zod";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useForm } from "react-hook-form";
import { toast } from "sonner";
import { z } from "zod";
import { useTRPC } from "@/trpc/client.tsx";
import { Button } from "@/ui/button.tsx";
import { Input, Select } from "@/ui/fields.tsx";
import { Panel } from "@/ui/panel.tsx";
import { Notice } from "@/ui/status.tsx";
import { ROLES } from "./roles.ts";

const schema = z.object({
  email: z.email("Enter an email address, e.g. ada@example.org"),
  role: z.enum(ROLES),
});

/** Adds someone who has signed up on this server. */
export function AddMemberForm({ organizationId, role }: { organizationId: string; role: string }) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const form = useForm<z.infer<typeof schema>>({
    resolver: zodResolver(schema),
    defaultValues: { email: "", role: "member" },
  });
  const add = useMutation(
    trpc.member.add.mutationOptions({
      onSuccess: async (_, { email }) => {
        await queryClient.invalidateQueries(trpc.member.list.pathFilter());
        toast.success(`${email} is now a member`);
        form.reset();
      },
    }),
  );
  const problem = form.formState.errors.email?.message;
  const submit = form.handleSubmit((values) => add.mutate({ organizationId, ...values }));
  return (
    <Panel title="Add a member" help="The person signs up on this server first.">
      <form onSubmit={(event) => void submit(event)} noValidate className="flex flex-col gap-2">
        <div className="flex flex-wrap gap-2">
          <Input
            type="email"
            aria-label="Email"
            placeholder="Email"
            className="max-w-72"
            aria-invalid={problem !== undefined}
            {...form.register("email")}
          />
          <Select aria-label="Role" {...form.register("role")}>
            {ROLES.map((name) => (
              <option key={name} disabled={name === "owner" && role !== "owner"}>
                {name}
              </option>
            ))}
          </Select>
          <Button type="submit" variant="primary" disabled={add.isPending}>
            Add
          </Button>
        </div>
        {problem !== undefined && <p className="text-xs text-bad">{problem}</p>}
        {add.isError && (
          <div role="alert">
            <Notice tone="bad" title="Not added">
              {add.error.message}
            </Notice>
          </div>
        )}
      </form>
    </Panel>
  );
}
