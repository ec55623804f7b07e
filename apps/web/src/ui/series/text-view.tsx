import type { TextSeries } from "@fmlab/experiment";

/** Text that a run wrote, with the prompt it answers set quieter. */
export function TextView({ series }: { series: TextSeries }) {
  return (
    <div className="flex flex-col gap-4">
      {series.blocks.map((block, index) => (
        <article key={`${index}-${block.title}`} className="min-w-0">
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
