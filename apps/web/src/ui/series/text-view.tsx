"use client";

import type { TextSeries } from "@fmlab/experiment";
import { useState } from "react";
import { Button } from "@/ui/button.tsx";
import { cn } from "@/ui/cn.ts";

/** Blocks shown before the reader asks for more. */
const BLOCKS_FIRST = 4;

/**
 * Text that a run wrote, with the prompt it answers set quieter; of many blocks the first few.
 */
export function TextView({ series }: { series: TextSeries }) {
  const [all, setAll] = useState(false);
  const { blocks } = series;
  const shown = all ? blocks : blocks.slice(0, BLOCKS_FIRST);
  return (
    <div className={cn("grid gap-4", blocks.length > 1 && "xl:grid-cols-2")}>
      {shown.map((block, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: blocks may share a title and never move
        <article key={index} className="min-w-0">
          <h3 className="mb-1 text-xs font-medium text-muted">{block.title}</h3>
          <p
            data-testid="generated-text"
            className="max-w-[80ch] rounded-md border border-line bg-bg px-3 py-2 leading-relaxed break-words whitespace-pre-wrap"
          >
            {block.prompt !== "" && <span className="text-muted">{block.prompt}</span>}
            {block.text}
          </p>
        </article>
      ))}
      {shown.length < blocks.length && (
        <Button size="small" className="justify-self-start" onClick={() => setAll(true)}>
          Show all {blocks.length} texts
        </Button>
      )}
    </div>
  );
}
