"use client";

import { FlaskConical, History, House, ListTree, Menu as MenuIcon, Server } from "lucide-react";
import Link from "next/link";
import { usePathname } from "next/navigation";
import { type ReactNode, useState } from "react";
import { Button } from "@/ui/button.tsx";
import { cn } from "@/ui/cn.ts";
import type { Place } from "./app-shell.tsx";
import { LiveStatusSign } from "./live-status.tsx";
import { ProjectSwitcher } from "./project-switcher.tsx";
import { routes } from "./routes.ts";
import { ThemeSwitch } from "./theme-switch.tsx";
import { UserMenu } from "./user-menu.tsx";

/** The bar at the left (on a phone: at the top). */
export function Navigation({ place }: { place: Place }) {
  const [open, setOpen] = useState(false);
  return (
    <header className="shrink-0 border-b border-line bg-panel md:sticky md:top-0 md:z-30 md:flex md:h-dvh md:w-52 md:flex-col md:border-r md:border-b-0">
      <div className="flex h-12 items-center gap-1 px-2">
        <ProjectSwitcher place={place} />
        <Button
          variant="quiet"
          size="icon"
          className="ml-auto md:hidden"
          aria-expanded={open}
          aria-controls="navigation"
          aria-label="Navigation"
          onClick={() => setOpen(!open)}
        >
          <MenuIcon aria-hidden />
        </Button>
      </div>
      <div
        id="navigation"
        className={cn("flex-1 flex-col px-2 pb-2 md:flex", open ? "flex" : "hidden")}
      >
        <Links place={place} onFollow={() => setOpen(false)} />
        <div className="mt-auto flex flex-col gap-2 pt-3">
          <LiveStatusSign />
          <div className="flex items-center gap-1">
            <UserMenu session={place.session} />
            <ThemeSwitch />
          </div>
        </div>
      </div>
    </header>
  );
}

function Links({ place, onFollow }: { place: Place; onFollow: () => void }) {
  const { project, organizationId } = place;
  const icon = "size-4 shrink-0";
  return (
    <nav aria-label="Main" className="flex flex-col gap-0.5">
      <NavLink href={routes.home(project?.id)} exact="/" onFollow={onFollow}>
        <House className={icon} aria-hidden /> Home
      </NavLink>
      {project !== undefined && (
        <>
          <NavLink href={routes.launchList(project.id)} onFollow={onFollow}>
            <FlaskConical className={icon} aria-hidden /> Experiments
          </NavLink>
          <NavLink href={routes.runs(project.id)} onFollow={onFollow}>
            <History className={icon} aria-hidden /> Runs
          </NavLink>
          <NavLink href={routes.configs(project.id)} onFollow={onFollow}>
            <ListTree className={icon} aria-hidden /> Configs
          </NavLink>
        </>
      )}
      {organizationId !== undefined && (
        <NavLink href={routes.organization(organizationId)} onFollow={onFollow}>
          <Server className={icon} aria-hidden /> Organisation
        </NavLink>
      )}
    </nav>
  );
}

function NavLink({
  href,
  exact,
  onFollow,
  children,
}: {
  href: ReturnType<typeof routes.home>;
  exact?: string;
  onFollow: () => void;
  children: ReactNode;
}) {
  const path = usePathname();
  const current = exact === undefined ? path.startsWith(href) : path === exact;
  return (
    <Link
      href={href}
      aria-current={current ? "page" : undefined}
      onClick={onFollow}
      className="flex h-8 items-center gap-2.5 rounded-md px-2 text-muted hover:bg-raised hover:text-ink aria-[current=page]:bg-raised aria-[current=page]:font-medium aria-[current=page]:text-ink"
    >
      {children}
    </Link>
  );
}
