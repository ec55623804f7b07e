import type { SeriesKind } from "./series.ts";

/**
 * Domain pictures. A run writes *series* (named data of one kind); a definition lists *views*, each
 * naming the series it draws. Every kind has one schema (`series.ts`) and one component in
 * apps/web, and can be told as a table (`seriesTable`), so that no picture is the only way to its
 * numbers.
 */

/** One picture on the run page. */
export interface ViewSpec {
  kind: SeriesKind;
  /** Name of the series it draws (`series/<name>.json` in a run folder). */
  series: string;
  title: string;
  /** One sentence under the title: what to look for. */
  help: string;
  /**
   * Of a timeline: names of lanes whose gaps are bubbles too, from the first start to the last end
   * on any lane.
   */
  gapLanes?: string[];
}

const view =
  (kind: SeriesKind) =>
  (series: string, title: string, help: string): ViewSpec => ({ kind, series, title, help });

/** A view of curves: `line("series", "Title", "What to look for.")`. */
export const line = view("line");
/** A view of a matrix of cells. */
export const heatmap = view("heatmap");
/**
 * A view of bars on lanes over time.
 *
 * @param options.gapLanes names of lanes whose gaps are drawn and counted as bubbles
 */
export const timeline = (
  series: string,
  title: string,
  help: string,
  options: { gapLanes?: string[] } = {},
): ViewSpec => ({ kind: "timeline", series, title, help, ...options });
/** A view of texts. */
export const text = view("text");
/** A view of rows and columns. */
export const table = view("table");
/** A view of bars over categories, side by side or stacked. */
export const bars = view("bars");
/** A view of points over two axes, with a Pareto front and bounds if the series has them. */
export const scatter = view("scatter");
