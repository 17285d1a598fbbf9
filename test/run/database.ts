import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";

/** Runs one query on a database file and closes it again. Values as JSON knows them; big integers as text. */
export function query(file: string, sql: string): Promise<Record<string, unknown>[]> {
  return withDatabase(file, async (connection) => (await connection.runAndReadAll(sql)).getRowObjectsJson());
}

/**
 * Opens a database file under another name than its own: by default file and dataset have the same name, and DuckDB
 * then can't tell `name.table` of the one from the other.
 */
async function withDatabase<T>(file: string, work: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  try {
    await connection.run("SET TimeZone = 'UTC'");
    await connection.run(`ATTACH '${file}' AS loaded`);
    await connection.run("USE loaded");
    return await work(connection);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/**
 * The content of every table of a dataset, without what may differ between equal loads: system columns are replaced by
 * what they say (a child row carries its parents' content instead of their ids), rows are sorted.
 */
export function contentOf(file: string, dataset: string): Promise<Record<string, string[]>> {
  return withDatabase(file, async (connection) => {
    const read = async (sql: string) => (await connection.runAndReadAll(sql)).getRowObjectsJson();
    const tables = await read(
      `select table_name from information_schema.tables where table_schema = '${dataset}' and table_name not like '\\_sluice\\_%' escape '\\' order by 1`,
    );
    const content: Record<string, string[]> = {};
    const byId = new Map<unknown, string>();
    // Parents come before children: their names are shorter.
    for (const table of tables.map((row) => row["table_name"] as string)) {
      const rows = await read(`select * from "${dataset}"."${table}"`);
      content[table] = rows
        .map((row) => {
          const {
            _sluice_id: id,
            _sluice_load_id: _load,
            _sluice_parent_id: parent,
            _sluice_root_id: root,
            ...rest
          } = row;
          const text = JSON.stringify({ ...rest, parent: byId.get(parent), root: byId.get(root) });
          byId.set(id, text);
          return text;
        })
        .sort();
    }
    return content;
  });
}
