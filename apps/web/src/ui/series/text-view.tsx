import type { TextSeries } from "@fmlab/experiment";

/** Text that a run wrote, with the prompt it answers set quieter. */
export function TextView({ series }: { series: TextSeries }) {
  return (
    <div className="grid gap-4 2xl:grid-cols-2">
      {series.blocks.map((block, index) => (
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
    </div>
  );
}
