/** Where a method comes from; an arXiv id leads to its page. */
export function PaperLink({ paper }: { paper: string | null | undefined }) {
  if (paper === null || paper === undefined || paper === "") return null;
  const arxiv = /^arXiv:(\d{4}\.\d{4,5})$/.exec(paper)?.[1];
  if (arxiv === undefined) return <span>{paper}</span>;
  return (
    <a
      href={`https://arxiv.org/abs/${arxiv}`}
      rel="noreferrer"
      target="_blank"
      className="underline underline-offset-2"
    >
      {paper}
    </a>
  );
}
