import { cva, type VariantProps } from "class-variance-authority";
import { Slot } from "radix-ui";
import type { ComponentProps } from "react";
import { cn } from "@/ui/cn.ts";

const button = cva(
  "inline-flex shrink-0 items-center justify-center gap-1.5 rounded-md font-medium whitespace-nowrap transition-colors disabled:pointer-events-none disabled:opacity-55 aria-disabled:pointer-events-none aria-disabled:opacity-55 [&_svg]:size-3.5 [&_svg]:shrink-0",
  {
    variants: {
      variant: {
        primary: "bg-accent text-accent-ink hover:bg-accent/90",
        outline: "border border-line bg-panel hover:bg-raised",
        quiet: "text-muted hover:bg-raised hover:text-ink",
        danger: "border border-line bg-panel text-bad hover:bg-bad-soft",
      },
      size: { small: "h-7 px-2 text-xs", normal: "h-8 px-3", icon: "size-7", large: "h-9 px-4" },
    },
    defaultVariants: { variant: "outline", size: "normal" },
  },
);

/** A button, or with `asChild` anything that should look like one. */
export function Button({
  className,
  variant,
  size,
  asChild,
  type,
  ...rest
}: ComponentProps<"button"> & VariantProps<typeof button> & { asChild?: boolean }) {
  const Component = asChild ? Slot.Root : "button";
  return (
    <Component
      className={cn(button({ variant, size }), className)}
      {...(asChild ? {} : { type: type ?? "button" })}
      {...rest}
    />
  );
}
