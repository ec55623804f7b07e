import { Tabs as Radix } from "radix-ui";
import type { ReactNode } from "react";

/** Tabs whose chosen one the caller keeps (in the URL). */
export function Tabs({
  value,
  onChange,
  label,
  tabs,
  children,
}: {
  value: string;
  onChange: (value: string) => void;
  label: string;
  tabs: { value: string; title: ReactNode }[];
  children: ReactNode;
}) {
  return (
    <Radix.Root value={value} onValueChange={onChange}>
      <Radix.List
        aria-label={label}
        className="mb-4 flex gap-1 overflow-x-auto border-b border-line"
      >
        {tabs.map((tab) => (
          <Radix.Trigger
            key={tab.value}
            value={tab.value}
            className="-mb-px h-9 border-b-2 border-transparent px-2.5 whitespace-nowrap text-muted -outline-offset-2 hover:text-ink data-[state=active]:border-accent data-[state=active]:text-ink"
          >
            {tab.title}
          </Radix.Trigger>
        ))}
      </Radix.List>
      {children}
    </Radix.Root>
  );
}

/** What belongs to one tab. */
export function TabPanel({ value, children }: { value: string; children: ReactNode }) {
  return (
    <Radix.Content value={value} className="-outline-offset-2">
      {children}
    </Radix.Content>
  );
}
