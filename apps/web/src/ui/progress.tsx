import { formatNumber } from "@/ui/format/number.ts";

/** How far something is. A total of 0 means that nobody knows; then only the count is told. */
export function Progress({
  done,
  total,
  label,
  compact = false,
}: {
  done: number;
  total: number;
  label: string;
  compact?: boolean;
}) {
  const known = total > 0;
  const share = known ? Math.min(1, Math.max(0, done / total)) : 0;
  const told = known
    ? `${formatNumber(done)} of ${formatNumber(total)}${label === "" ? "" : ` · ${label}`}`
    : label || (done > 0 ? formatNumber(done) : "");
  return (
    <div className="flex min-w-0 items-center gap-2">
      {known && (
        <div
          role="progressbar"
          aria-label="Progress"
          aria-valuemin={0}
          aria-valuemax={100}
          aria-valuenow={Math.round(share * 100)}
          aria-valuetext={told}
          className="h-1.5 w-full min-w-12 overflow-hidden rounded-full bg-raised"
        >
          <div className="h-full rounded-full bg-accent" style={{ width: `${share * 100}%` }} />
        </div>
      )}
      {!compact && told !== "" && (
        <span className="text-xs whitespace-nowrap text-muted">{told}</span>
      )}
    </div>
  );
}
