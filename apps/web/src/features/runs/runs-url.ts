import { RUN_STATES, type RunStateName } from "../../ui/run-states.ts";

/** Everything that decides what the runs table shows. The URL holds all of it. */
export interface RunsView {
  search: string;
  states: RunStateName[];
  kinds: string[];
  launchId: string | null;
  configHash: string | null;
  sort: { by: string; dir: "asc" | "desc" };
  /** Metric keys shown as columns; null: as the experiments that are shown suggest. */
  columns: string[] | null;
}

export const DEFAULT_SORT: RunsView["sort"] = { by: "createdAt", dir: "desc" };

/** Reads a view from the URL; what it does not understand, it leaves out. */
export function readRunsView(params: URLSearchParams): RunsView {
  const [by = "", dir = ""] = splitLast(params.get("sort") ?? "", ".");
  const columns = params.get("cols");
  return {
    search: params.get("q") ?? "",
    states: list(params.get("state")).filter(isState),
    kinds: list(params.get("kind")),
    launchId: params.get("launch"),
    configHash: params.get("config"),
    sort: by !== "" && (dir === "asc" || dir === "desc") ? { by, dir } : DEFAULT_SORT,
    // Metric keys may hold commas between labels, so columns are separated by bars.
    columns: columns === null ? null : columns.split("|").filter((key) => key !== ""),
  };
}

/** Writes a view as a query string; what is as usual is left out. */
export function writeRunsView(view: RunsView): string {
  const params = new URLSearchParams();
  if (view.search !== "") params.set("q", view.search);
  if (view.states.length > 0) params.set("state", view.states.join(","));
  if (view.kinds.length > 0) params.set("kind", view.kinds.join(","));
  if (view.launchId !== null) params.set("launch", view.launchId);
  if (view.configHash !== null) params.set("config", view.configHash);
  if (view.sort.by !== DEFAULT_SORT.by || view.sort.dir !== DEFAULT_SORT.dir) {
    params.set("sort", `${view.sort.by}.${view.sort.dir}`);
  }
  if (view.columns !== null) params.set("cols", view.columns.join("|"));
  return params.toString();
}

/**
 * The sort after a click on a column's head: first its better end, then the other, then as usual.
 */
export function nextSort(
  sort: RunsView["sort"],
  by: string,
  first: "asc" | "desc" = "desc",
): RunsView["sort"] {
  if (sort.by !== by) return { by, dir: first };
  const other = first === "asc" ? "desc" : "asc";
  return sort.dir === first ? { by, dir: other } : DEFAULT_SORT;
}

/** True when anything hides runs. */
export function isFiltered(view: RunsView): boolean {
  return (
    view.search !== "" ||
    view.states.length > 0 ||
    view.kinds.length > 0 ||
    view.launchId !== null ||
    view.configHash !== null
  );
}

const list = (text: string | null): string[] =>
  (text ?? "").split(",").filter((part) => part !== "");

const isState = (state: string): state is RunStateName =>
  (RUN_STATES as readonly string[]).includes(state);

function splitLast(text: string, separator: string): [string, string] {
  const at = text.lastIndexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
