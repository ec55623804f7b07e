import type { ComponentProps, ReactNode } from "react";
import { cn } from "@/ui/cn.ts";

const field =
  "rounded-md border border-field/60 bg-panel px-2.5 text-ink aria-invalid:border-bad disabled:opacity-60";

/** A one-line text field. */
export function Input({ className, ...rest }: ComponentProps<"input">) {
  return <input className={cn(field, "h-8 w-full min-w-0", className)} {...rest} />;
}

/** A text field of several lines. */
export function TextArea({ className, ...rest }: ComponentProps<"textarea">) {
  return (
    <textarea
      className={cn(field, "field-sizing-content max-h-[60vh] w-full min-w-0 py-1.5", className)}
      {...rest}
    />
  );
}

/** The platform's own select: it works with every keyboard, screen reader and phone. */
export function Select({ className, ...rest }: ComponentProps<"select">) {
  return <select className={cn(field, "h-8 pr-7", className)} {...rest} />;
}

/** A check box with its text, which is part of what can be clicked. */
export function Checkbox({
  label,
  className,
  ...rest
}: Omit<ComponentProps<"input">, "type"> & { label: ReactNode }) {
  return (
    <label className={cn("flex items-center gap-2", className)}>
      <input type="checkbox" className="size-4 shrink-0 accent-accent" {...rest} />
      {label}
    </label>
  );
}
