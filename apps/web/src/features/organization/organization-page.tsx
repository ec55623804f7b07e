"use client";

import type { Route } from "next";
import { usePathname, useRouter, useSearchParams } from "next/navigation";
import { AppShell, type Place } from "@/features/shell/app-shell.tsx";
import { PageHeader } from "@/ui/panel.tsx";
import { EmptyState } from "@/ui/status.tsx";
import { TabPanel, Tabs } from "@/ui/tabs.tsx";
import { AuditTab } from "./audit-tab.tsx";
import { MachinesTab } from "./machines-tab.tsx";
import { MembersTab } from "./members-tab.tsx";
import { allows } from "./roles.ts";
import { TokensTab } from "./tokens-tab.tsx";

const TABS = [
  { value: "machines", title: "Machines", role: "viewer" },
  { value: "members", title: "Members", role: "viewer" },
  { value: "tokens", title: "API tokens", role: "member" },
  { value: "audit", title: "Audit", role: "admin" },
] as const;

/** An organisation's machines, people, tokens and what was done. */
export function OrganizationPage({ organizationId }: { organizationId: string }) {
  return (
    <AppShell organizationId={organizationId}>
      {(place) => <Organization place={place} organizationId={organizationId} />}
    </AppShell>
  );
}

function Organization({ place, organizationId }: { place: Place; organizationId: string }) {
  const organization = place.session.organizations.find((o) => o.id === organizationId);
  const wanted = useSearchParams().get("tab");
  const path = usePathname();
  const router = useRouter();
  if (organization === undefined) {
    return (
      <EmptyState title="There is no such organisation here">
        You do not belong to it, or it has been removed.
      </EmptyState>
    );
  }
  const tabs = TABS.filter((tab) => allows(organization.role, tab.role));
  const tab = tabs.find(({ value }) => value === wanted)?.value ?? "machines";
  const props = { organizationId, role: organization.role };
  return (
    <>
      <PageHeader title={organization.name} subtitle={`Your role here: ${organization.role}`} />
      <Tabs
        value={tab}
        label="Parts of the organisation"
        tabs={[...tabs]}
        onChange={(next) => router.replace(`${path}?tab=${next}` as Route, { scroll: false })}
      >
        <TabPanel value="machines">
          <MachinesTab {...props} />
        </TabPanel>
        <TabPanel value="members">
          <MembersTab {...props} userId={place.session.user.id} />
        </TabPanel>
        <TabPanel value="tokens">
          <TokensTab {...props} />
        </TabPanel>
        <TabPanel value="audit">
          <AuditTab {...props} />
        </TabPanel>
      </Tabs>
    </>
  );
}
