"use client";

import { Monitor, Moon, Sun } from "lucide-react";
import { useTheme } from "next-themes";
import { Button } from "@/ui/button.tsx";
import { Menu, MenuCheck } from "@/ui/menu.tsx";

const THEMES = [
  { value: "system", name: "As the system", icon: Monitor },
  { value: "light", name: "Light", icon: Sun },
  { value: "dark", name: "Dark", icon: Moon },
] as const;

/** Light, dark, or as the system has it. */
export function ThemeSwitch() {
  const { theme, setTheme } = useTheme();
  return (
    <Menu
      align="end"
      trigger={
        <Button variant="quiet" size="icon" aria-label="Theme">
          <Sun aria-hidden className="dark:hidden" />
          <Moon aria-hidden className="hidden dark:block" />
        </Button>
      }
    >
      {THEMES.map(({ value, name, icon: Icon }) => (
        <MenuCheck key={value} checked={theme === value} onCheckedChange={() => setTheme(value)}>
          <Icon aria-hidden /> {name}
        </MenuCheck>
      ))}
    </Menu>
  );
}
