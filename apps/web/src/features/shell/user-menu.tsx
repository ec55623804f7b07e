"use client";

import { useQueryClient } from "@tanstack/react-query";
import { LogOut } from "lucide-react";
import { useRouter } from "next/navigation";
import { toast } from "sonner";
import { signOut } from "@/features/session/auth-requests.ts";
import type { SignedIn } from "@/features/session/session.tsx";
import { Button } from "@/ui/button.tsx";
import { Menu, MenuItem, MenuLabel } from "@/ui/menu.tsx";
import { messageOf } from "@/ui/status.tsx";
import { routes } from "./routes.ts";

/** Who is signed in, and the way out. */
export function UserMenu({ session }: { session: SignedIn }) {
  const queryClient = useQueryClient();
  const router = useRouter();
  const leave = async () => {
    try {
      await signOut();
      router.push(routes.home());
      await queryClient.resetQueries();
    } catch (error) {
      toast.error(messageOf(error));
    }
  };
  return (
    <Menu
      trigger={
        <Button variant="quiet" className="min-w-0 flex-1 justify-start px-2">
          <span className="truncate">{session.user.name}</span>
        </Button>
      }
    >
      <MenuLabel>{session.user.email}</MenuLabel>
      <MenuItem onSelect={() => void leave()}>
        <LogOut aria-hidden /> Sign out
      </MenuItem>
    </Menu>
  );
}
