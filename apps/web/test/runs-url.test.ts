import { describe, expect, it } from "vitest";
import {
  DEFAULT_SORT,
  isFiltered,
  nextSort,
  type RunsView,
  readRunsView,
  writeRunsView,
} from "../src/features/runs/runs-url.ts";

const read = (search: string): RunsView => readRunsView(new URLSearchParams(search));

describe("the runs table's view in the URL", () => {
  it("is empty as long as everything is as usual", () => {
    expect(writeRunsView(read(""))).toBe("");
    expect(isFiltered(read(""))).toBe(false);
  });

  it("survives being written and read, metric keys with commas included", () => {
    const view: RunsView = {
      search: "lru & more",
      states: ["RUNNING", "FAILED"],
      kinds: ["moe-offload.decode"],
      launchId: "3f0c1a52-0000-4000-8000-000000000001",
      configHash: "abc",
      sort: { by: "metric:hitRate{layer=3,phase=decode}", dir: "asc" },
      columns: ["hitRate{layer=3,phase=decode}", "openMs"],
    };
    expect(read(writeRunsView(view))).toEqual(view);
    expect(isFiltered(view)).toBe(true);
  });

  it("tells no columns at all from the usual columns", () => {
    const none = writeRunsView({ ...read(""), columns: [] });
    expect(read(none).columns).toEqual([]);
    expect(read("").columns).toBeNull();
  });

  it("leaves out what it does not understand", () => {
    expect(read("state=RUNNING,NONSENSE&sort=oops").states).toEqual(["RUNNING"]);
    expect(read("sort=oops").sort).toEqual(DEFAULT_SORT);
    expect(read("sort=.asc").sort).toEqual(DEFAULT_SORT);
  });

  it("sorts by the better end first, then the other, then as usual", () => {
    const first = nextSort(DEFAULT_SORT, "metric:tokenMs", "asc");
    const second = nextSort(first, "metric:tokenMs", "asc");
    expect(first).toEqual({ by: "metric:tokenMs", dir: "asc" });
    expect(second).toEqual({ by: "metric:tokenMs", dir: "desc" });
    expect(nextSort(second, "metric:tokenMs", "asc")).toEqual(DEFAULT_SORT);
  });
});
