"use client";

import { ChevronsUpDown, Plus } from "lucide-react";
import { useRouter } from "next/navigation";
import { useState } from "react";
import { Button } from "@/ui/button.tsx";
import { Menu, MenuCheck, MenuItem, MenuLabel, MenuSeparator } from "@/ui/menu.tsx";
import type { Place } from "./app-shell.tsx";
import { NewOrganizationDialog } from "./new-organization-dialog.tsx";
import { NewProjectDialog } from "./new-project-dialog.tsx";
import { routes } from "./routes.ts";

/** Changes project and, with it, organisation. */
export function ProjectSwitcher({ place }: { place: Place }) {
  const router = useRouter();
  const [creating, setCreating] = useState<{ id: string; name: string } | null>(null);
  const [founding, setFounding] = useState(false);
  const organization = place.session.organizations.find((o) => o.id === place.organizationId);
  return (
    <>
      <Menu
        trigger={
          <Button
            variant="quiet"
            className="h-10 min-w-0 flex-1 justify-start px-2 text-left text-ink"
          >
            <span className="min-w-0 flex-1">
              <span className="block truncate leading-4 font-semibold">
                {place.project?.name ?? "No project"}
              </span>
              <span className="block truncate text-xs leading-4 font-normal text-muted">
                {organization?.name ?? "No organisation"}
              </span>
            </span>
            <ChevronsUpDown aria-label="Change project" />
          </Button>
        }
      >
        {place.session.organizations.map((o) => (
          <div key={o.id}>
            <MenuLabel>{o.name}</MenuLabel>
            {place.projects
              .filter((project) => project.organizationId === o.id)
              .map((project) => (
                <MenuCheck
                  key={project.id}
                  checked={project.id === place.project?.id}
                  onSelect={() => router.push(routes.runs(project.id))}
                >
                  <span className="min-w-0 flex-1 truncate">{project.name}</span>
                  <span className="text-xs text-muted">{project.runCount}</span>
                </MenuCheck>
              ))}
            {(o.role === "admin" || o.role === "owner") && (
              <MenuItem className="pl-7 relative" onSelect={() => setCreating(o)}>
                <Plus aria-hidden className="absolute left-2" /> New project
              </MenuItem>
            )}
            <MenuSeparator />
          </div>
        ))}
        <MenuItem className="pl-7 relative" onSelect={() => setFounding(true)}>
          <Plus aria-hidden className="absolute left-2" /> New organisation
        </MenuItem>
        {place.organizationId !== undefined && (
          <MenuItem onSelect={() => router.push(routes.organization(place.organizationId ?? ""))}>
            Organisation settings
          </MenuItem>
        )}
      </Menu>
      {founding && <NewOrganizationDialog onClose={() => setFounding(false)} />}
      {creating !== null && (
        <NewProjectDialog organization={creating} onClose={() => setCreating(null)} />
      )}
    </>
  );
}
