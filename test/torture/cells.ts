import { PAGINATORS, type Walk } from "./source.js";

/** The dataset of every trial; and `pipeline`, its name. */
export const DATASET = "torture";
/** The one root table. */
export const ROOT = "items";

/** One way to load the items. */
export interface Disposition {
  readonly name: string;
  /** `primary_key`, `write_disposition` and what belongs to them. */
  readonly keys: string;
  /** The endpoint's keys beside its path. */
  readonly endpoint?: string;
  /**
   * What a run after a complete one brings: nothing new, or everything again. Where it is everything, a run that was killed
   * after its last commit must not be repeated: it is complete, and the next one is a new load.
   */
  readonly again: "same" | "more";
  /** Whether every row that a package brings stays. */
  readonly adds?: true;
  /** What readers may see while it is loaded. */
  readonly between: Between;
}

/**
 * - `some`   rows of the finished table, each at most as often as there
 * - `whole`  the table as before or as after, nothing else
 * - `mixed`  rows from before and from after
 */
export type Between = "some" | "whole" | "mixed";

export const DISPOSITIONS: readonly Disposition[] = [
  { name: "append", keys: "write_disposition: append", again: "more", adds: true, between: "some" },
  {
    name: "append-incremental",
    keys: "primary_key: id, write_disposition: append",
    endpoint:
      "incremental: { cursor_path: updated_at, initial_value: '2026-01-01T00:00:00Z', start_param: since }",
    again: "same",
    adds: true,
    between: "some",
  },
  { name: "replace", keys: "write_disposition: replace", again: "same", between: "whole" },
  {
    name: "delete-insert",
    keys: "primary_key: id, write_disposition: merge",
    again: "same",
    between: "mixed",
  },
  {
    name: "merge-incremental",
    keys: "primary_key: id, write_disposition: merge",
    endpoint:
      "incremental: { cursor_path: updated_at, initial_value: '2026-01-01T00:00:00Z', start_param: since, row_order: asc }",
    again: "same",
    between: "mixed",
  },
  {
    name: "upsert",
    keys: "primary_key: id, write_disposition: { disposition: merge, strategy: upsert }",
    again: "same",
    between: "mixed",
  },
  {
    name: "insert-only",
    keys: "primary_key: id, write_disposition: { disposition: merge, strategy: insert-only }",
    again: "same",
    adds: true,
    between: "some",
  },
  { name: "merge-key", keys: "merge_key: day, write_disposition: merge", again: "same", between: "whole" },
  {
    name: "delete-missing",
    keys: "primary_key: id, write_disposition: { disposition: merge, delete_missing: hard }",
    again: "same",
    between: "whole",
  },
  {
    name: "scd2",
    keys: "primary_key: id, write_disposition: { disposition: merge, strategy: scd2 }",
    again: "same",
    between: "whole",
  },
];

/** One field of the matrix: into what, how, and from what. */
export interface Cell {
  readonly name: string;
  readonly place: string;
  readonly disposition: Disposition;
  readonly walk: Walk;
}

/** DuckDB files into whose tables rows go straight: of appends alone, so that nothing else is worth a cell. */
export const STRAIGHT = "duckdb-straight";

/** Every destination × disposition × walk. */
export function cellsOf(places: readonly string[]): Cell[] {
  return places.flatMap((place) =>
    DISPOSITIONS.filter(({ name }) => place !== STRAIGHT || name.startsWith("append")).flatMap(
      (disposition) =>
        (Object.keys(PAGINATORS) as Walk[]).map((walk) => ({
          name: `${place} ${disposition.name} ${walk}`,
          place,
          disposition,
          walk,
        })),
    ),
  );
}

/** The configuration of a cell: three pages a commit, so that a load is several. */
export function configurationOf(cell: Cell, url: string): string {
  const { disposition, walk } = cell;
  const more = disposition.endpoint === undefined ? "" : `, ${disposition.endpoint}`;
  return `
pipeline: ${DATASET}
checkpoint: { rows: 15 }
client:
  base_url: "${url}"
  paginator: ${PAGINATORS[walk]}
  retry: { backoff_factor: 0.001 }
resources:
  - { name: ${ROOT}, ${disposition.keys}, endpoint: { path: ${walk}, data_selector: items${more} } }
`;
}
