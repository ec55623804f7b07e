/** Help with the names that its author put between backticks set as code. */
export function HelpText({ text }: { text: string }) {
  return text.split("`").map((part, index) =>
    index % 2 === 1 ? (
      // biome-ignore lint/suspicious/noArrayIndexKey: parts of one text never move
      <code key={index} className="text-ink">
        {part}
      </code>
    ) : (
      part
    ),
  );
}
