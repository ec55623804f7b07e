"use client";

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { toast } from "sonner";
import { type RouterOutputs, useTRPC } from "@/trpc/client.tsx";
import { Button } from "@/ui/button.tsx";
import { Select } from "@/ui/fields.tsx";
import { Panel } from "@/ui/panel.tsx";
import { EmptyState, ErrorState, Loading } from "@/ui/status.tsx";
import { Ago } from "@/ui/time.tsx";
import { AddMemberForm } from "./add-member-form.tsx";
import { allows, ROLES, type Role } from "./roles.ts";

type Member = RouterOutputs["member"]["list"][number];

interface MembersProps {
  organizationId: string;
  role: string;
  userId: string;
}

/** Who belongs to the organisation, with which role. */
export function MembersTab({ organizationId, role, userId }: MembersProps) {
  const trpc = useTRPC();
  const members = useQuery(trpc.member.list.queryOptions({ organizationId }));
  if (members.isPending) return <Loading />;
  if (members.isError) {
    return <ErrorState error={members.error} onRetry={() => void members.refetch()} />;
  }
  const isAdmin = allows(role, "admin");
  return (
    <div className="flex max-w-4xl flex-col gap-4">
      <Panel
        title="Members"
        help="Viewers look, members launch, admins manage people and machines, owners manage admins."
        flush
      >
        {members.data.length === 0 ? (
          <EmptyState title="Nobody belongs to this organisation" />
        ) : (
          <ul className="divide-y divide-line">
            {members.data.map((member) => (
              <MemberRow
                key={member.userId}
                {...{ member, organizationId, role }}
                isSelf={member.userId === userId}
              />
            ))}
          </ul>
        )}
      </Panel>
      {isAdmin && <AddMemberForm organizationId={organizationId} role={role} />}
    </div>
  );
}

function MemberRow({
  member,
  organizationId,
  role,
  isSelf,
}: {
  member: Member;
  organizationId: string;
  role: string;
  isSelf: boolean;
}) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const options = {
    onSuccess: () => queryClient.invalidateQueries(trpc.member.list.pathFilter()),
    onError: (error: { message: string }) => toast.error(error.message),
  };
  const setRole = useMutation(trpc.member.setRole.mutationOptions(options));
  const remove = useMutation(trpc.member.remove.mutationOptions(options));
  const { userId } = member;
  const mayChange = allows(role, "admin") && (member.role !== "owner" || role === "owner");
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-1 px-4 py-2">
      <div className="min-w-0 flex-1 basis-48">
        <p className="truncate font-medium">
          {member.name}
          {isSelf && <span className="font-normal text-muted"> (you)</span>}
        </p>
        <p className="truncate text-xs text-muted">{member.email}</p>
      </div>
      <span className="text-xs text-muted">
        since <Ago at={member.since} />
      </span>
      {mayChange ? (
        <>
          <Select
            aria-label={`Role of ${member.name}`}
            value={member.role}
            onChange={(event) =>
              setRole.mutate({ organizationId, userId, role: event.target.value as Role })
            }
          >
            {ROLES.map((name) => (
              <option key={name} disabled={name === "owner" && role !== "owner"}>
                {name}
              </option>
            ))}
          </Select>
          <Button
            variant="danger"
            disabled={remove.isPending}
            onClick={() => remove.mutate({ organizationId, userId })}
          >
            Remove<span className="sr-only"> {member.name}</span>
          </Button>
        </>
      ) : (
        <span>{member.role}</span>
      )}
    </li>
  );
}
