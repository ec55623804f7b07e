/** Signs of points, told apart by form where colours come again or cannot be seen. */
const FORMS: ((r: number) => string)[] = [
  (r) => `M${r} 0A${r} ${r} 0 1 1 ${-r} 0A${r} ${r} 0 1 1 ${r} 0Z`,
  (r) => `M${-0.9 * r} ${-0.9 * r}H${0.9 * r}V${0.9 * r}H${-0.9 * r}Z`,
  (r) => `M0 ${-1.15 * r}L${1.1 * r} ${0.85 * r}H${-1.1 * r}Z`,
  (r) => `M0 ${-1.3 * r}L${1.3 * r} 0L0 ${1.3 * r}L${-1.3 * r} 0Z`,
  (r) => `M0 ${1.15 * r}L${1.1 * r} ${-0.85 * r}H${-1.1 * r}Z`,
  (r) => plus(r, 0.45 * r),
];

const plus = (r: number, w: number) =>
  `M${-w} ${-1.2 * r}H${w}V${-w}H${1.2 * r}V${w}H${w}V${1.2 * r}H${-w}V${w}H${-1.2 * r}V${-w}H${-w}Z`;

/**
 * The outline of the `index`th group's sign about the origin, as an SVG path.
 *
 * @param radius CSS pixels
 */
export function markerPath(index: number, radius: number): string {
  return (FORMS[index % FORMS.length] ?? plusOf)(radius);
}

const plusOf = (r: number) => plus(r, 0.45 * r);

/** The sign of a group for a legend. */
export function MarkerSign({
  index,
  color,
  isJoined,
}: {
  index: number;
  color: string;
  isJoined: boolean;
}) {
  return (
    <svg width="18" height="12" viewBox="-9 -6 18 12" aria-hidden="true" className="shrink-0">
      {isJoined && <line x1="-9" x2="9" y1="0" y2="0" stroke={color} strokeWidth="1.5" />}
      <path d={markerPath(index, 4)} fill={color} />
    </svg>
  );
}
