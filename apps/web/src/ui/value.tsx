import { splitValue } from "@/ui/format/number.ts";

/** A number with its unit set quieter. */
export function Value({ value, unit }: { value: number | null | undefined; unit: string }) {
  const split = splitValue(value, unit);
  return (
    <span className="whitespace-nowrap">
      {split.number}
      {split.unit !== "" && <span className="text-muted"> {split.unit}</span>}
    </span>
  );
}
