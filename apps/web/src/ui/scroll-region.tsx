import type { ComponentProps } from "react";

/** Content that scrolls inside the page; it can be reached and scrolled by key. */
export function ScrollRegion({ label, ...rest }: { label: string } & ComponentProps<"section">) {
  // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by key
  return <section tabIndex={0} aria-label={label} {...rest} />;
}

/** A value as indented JSON. */
export function JsonBlock({ label, value }: { label: string; value: unknown }) {
  return <TextBlock label={label} text={JSON.stringify(value, null, 2)} />;
}

/** Text as it is, in fixed width. */
export function TextBlock({ label, text }: { label: string; text: string }) {
  return (
    <ScrollRegion label={label} className="max-h-[32rem] overflow-auto rounded-md bg-bg">
      <pre className="p-3 font-mono text-xs leading-5 break-words whitespace-pre-wrap">{text}</pre>
    </ScrollRegion>
  );
}
