import { clean, type Style } from "./text.js";

/** One column of a printed table. */
export interface TableColumn {
  readonly title: string;
  /** Numbers stand at the right. */
  readonly align?: "left" | "right";
}

/**
 * Rows of text as a table without borders. Cells are cleaned of control characters.
 *
 * The library is imported when the first table is printed, so that `sluice --help` does not wait for it.
 */
export async function renderTable(
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
  style: Style,
): Promise<string> {
  const { default: Table } = await import("cli-table3");
  const table = new Table({
    head: columns.map(({ title }) => style.bold(title)),
    colAligns: columns.map(({ align }) => align ?? "left"),
    chars: PLAIN,
    style: { head: [], border: [], "padding-left": 0, "padding-right": 2 },
  });
  for (const row of rows) table.push(row.map((cell) => clean(cell)));
  const lines = table.toString().split("\n");
  return lines.map((line) => line.trimEnd()).join("\n");
}

/** No borders: the output can be read, grepped and pasted. */
const BORDERS =
  "top top-mid top-left top-right bottom bottom-mid bottom-left bottom-right left left-mid mid mid-mid right right-mid middle";
const PLAIN = Object.fromEntries(BORDERS.split(" ").map((part) => [part, ""]));
