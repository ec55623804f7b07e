import { Check } from "lucide-react";
import { DropdownMenu } from "radix-ui";
import type { ReactNode } from "react";
import { cn } from "@/ui/cn.ts";

/**
 * A button that opens a list of actions. The list is drawn beside its button and not at the end of
 * the page, so that it belongs to the same landmark.
 */
export function Menu({
  trigger,
  children,
  align = "start",
}: {
  trigger: ReactNode;
  children: ReactNode;
  align?: "start" | "end";
}) {
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger asChild>{trigger}</DropdownMenu.Trigger>
      <DropdownMenu.Content
        align={align}
        sideOffset={4}
        className="z-50 max-h-[70vh] max-w-[22rem] min-w-44 overflow-auto rounded-md border border-line bg-panel p-1 shadow-lg"
      >
        {children}
      </DropdownMenu.Content>
    </DropdownMenu.Root>
  );
}

const item =
  "flex items-center gap-2 rounded px-2 py-1.5 outline-none select-none data-[highlighted]:bg-raised data-[disabled]:opacity-50 [&_svg]:size-3.5 [&_svg]:shrink-0";

/** One action of a menu. */
export function MenuItem({ className, ...rest }: DropdownMenu.DropdownMenuItemProps) {
  return <DropdownMenu.Item className={cn(item, className)} {...rest} />;
}

/** An entry that is on or off; the menu stays open. */
export function MenuCheck({
  children,
  className,
  ...rest
}: DropdownMenu.DropdownMenuCheckboxItemProps) {
  return (
    <DropdownMenu.CheckboxItem
      className={cn(item, "pl-7 relative", className)}
      onSelect={(event) => event.preventDefault()}
      {...rest}
    >
      <DropdownMenu.ItemIndicator className="absolute left-2">
        <Check aria-hidden />
      </DropdownMenu.ItemIndicator>
      {children}
    </DropdownMenu.CheckboxItem>
  );
}

/** A heading inside a menu. */
export function MenuLabel({ children }: { children: ReactNode }) {
  return (
    <DropdownMenu.Label className="px-2 pt-2 pb-1 text-xs text-muted">
      {children}
    </DropdownMenu.Label>
  );
}

/** A line between two groups of a menu. */
export function MenuSeparator() {
  return <DropdownMenu.Separator className="my-1 h-px bg-line" />;
}
