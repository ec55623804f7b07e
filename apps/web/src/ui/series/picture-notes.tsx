import type { BarsSeries, ScatterSeries } from "@fmlab/experiment";

type Origin = Pick<
  BarsSeries["references"][number] | ScatterSeries["bounds"][number],
  "name" | "provenance" | "source"
>;

/** How a statement reached us, in words. */
const WORDS: Record<NonNullable<Origin["provenance"]>, string> = {
  paper: "read in the paper",
  code: "read in its published code",
  "second-hand": "as another text reports it",
  reconstruction: "derived here from what the paper gives",
  recall: "from memory, not looked up",
  ours: "this project's own",
};

/** Where the lines of a picture come from that the run did not measure, and the author's remark. */
export function OriginNotes({ origins, note }: { origins: readonly Origin[]; note: string }) {
  const told = origins.map(({ name, provenance, source }) => ({
    name,
    text: [provenance && WORDS[provenance], source].filter(Boolean).join(": "),
  }));
  return (
    <>
      {told.map(
        ({ name, text }) =>
          text !== "" && (
            <span key={name} className="basis-full break-words text-muted">
              <span className="text-ink">{name}</span> — {text}
            </span>
          ),
      )}
      {note !== "" && (
        <span className="basis-full break-words text-muted first-letter:uppercase">{note}</span>
      )}
    </>
  );
}

/** The line under a picture that reads out what the reader points at; until then, how to. */
export function ReadOut({ text, hint }: { text: string; hint: string }) {
  return (
    <span className="min-h-5 basis-full">
      <span aria-live="polite">{text}</span>
      {text === "" && (
        <span aria-hidden className="text-muted">
          {hint}
        </span>
      )}
    </span>
  );
}
