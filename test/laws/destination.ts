import assert from "node:assert/strict";
import type { Batch, Column } from "../../src/model/batch.js";
import type {
  Connection,
  Destination,
  PackageHeader,
  Receipt,
  Reject,
  Stage,
  StagePlan,
  TableCounts,
} from "../../src/model/destination.js";
import { SluiceError } from "../../src/model/error.js";
import type { Json } from "../../src/model/json.js";
import { MERGE_STRATEGIES, type MergeRules, type WriteDisposition } from "../../src/model/source.js";
import type { ResourceState } from "../../src/model/state.js";
import { whatIsMissing } from "../../src/model/supports.js";
import {
  type ColumnSchema,
  type DataType,
  type SchemaChange,
  SYSTEM_COLUMNS,
  SYSTEM_TABLES,
  type TableSchema,
} from "../../src/model/table.js";

/** How the laws get at a destination. An adapter's test implements it once. */
export interface DestinationHarness {
  /** Shown in messages. */
  readonly name: string;
  /** An empty place. Every law opens its own. */
  open(): Promise<OpenDestination>;
  /** Laws that this destination can't keep, by name, with the reason. They are run, and must fail. */
  readonly cannot?: Readonly<Record<string, string>>;
}

/** An opened place, and a way to look into it beside the port. */
export interface OpenDestination {
  readonly destination: Destination;
  /**
   * All committed rows of a table as objects, in any order; none if there is no such table. Values by type:
   * text → string, bigint → bigint, double → number, decimal → text with all digits of its scale, bool → boolean,
   * timestamp → `2024-01-31T12:00:00.000000Z`, date → `2024-01-31`, time → `12:00:00.000000`, binary → Uint8Array,
   * json → JSON text.
   */
  rows(dataset: string, table: string): Promise<Record<string, unknown>[]>;
  dispose(): Promise<void>;
}

/** A sentence that holds for every destination, and its proof. */
export interface DestinationLaw {
  readonly name: string;
  /** Rejects if the law does not hold – or, when the harness lists it in `cannot`, if it does. */
  check(harness: DestinationHarness): Promise<void>;
}

/** What `batchOf` takes: the forms of `OpenDestination.rows`; a json column takes any JSON value. */
export type CellValue = Json | Uint8Array | undefined;

/**
 * A batch from rows of plain values, made slowly and simply: for laws, and for tests of adapters. Absent values and
 * null are null.
 *
 * @throws Error when a value does not fit its column.
 * @example
 * batchOf(table, [{ _sluice_id: "000000000001", id: 1n, at: "2024-01-31T12:00:00.000001Z" }]);
 */
export function batchOf(table: TableSchema, rows: readonly Readonly<Record<string, CellValue>>[]): Batch {
  const columns = table.columns.map((schema) =>
    columnOf(
      schema,
      rows.map((row) => row[schema.name] ?? null),
    ),
  );
  const bytes = columns.reduce((sum, column) => sum + column.data.byteLength, 0);
  return { table, rows: rows.length, columns, bytes };
}

type Given = Json | Uint8Array;
type Values = Column extends infer Kind
  ? Kind extends Column
    ? Omit<Kind, "schema" | "validity">
    : never
  : never;

function columnOf(schema: ColumnSchema, values: readonly Given[]): Column {
  return { schema, ...validityOf(values), ...VALUES[schema.type](values, schema) };
}

/** How each type's values become a column's buffers. */
const VALUES: Readonly<Record<DataType, (values: readonly Given[], schema: ColumnSchema) => Values>> = {
  text: (values) => textOf(values, scalarText),
  json: (values) => textOf(values, (value) => jsonText(value as Json)),
  binary: (values) => textOf(values, scalarText),
  bool: (values) => ({ kind: "bits", data: Uint8Array.from(values, (value) => (value === true ? 1 : 0)) }),
  date: (values) => ({ kind: "int32", data: Int32Array.from(present(values, daysOf, 0)) }),
  double: (values) => ({ kind: "float64", data: Float64Array.from(present(values, Number, 0)) }),
  bigint: (values) => int64(present(values, (value) => BigInt(scalarText(value)), 0n)),
  timestamp: (values) => int64(present(values, microsOf, 0n)),
  time: (values) => int64(present(values, (value) => microsOf(`1970-01-01T${scalarText(value)}Z`), 0n)),
  decimal: (values, { scale = 0 }) => ({
    kind: "int128",
    data: BigInt64Array.from(
      present(values, (value) => unscaled(value, scale), 0n).flatMap((value) => [
        BigInt.asIntN(64, value),
        value >> 64n,
      ]),
    ),
  }),
};

const int64 = (values: readonly bigint[]): Values => ({ kind: "int64", data: BigInt64Array.from(values) });

/** The values converted; in the place of a null stands `empty`. */
function present<T>(values: readonly Given[], convert: (value: Given) => T, empty: T): T[] {
  return values.map((value) => (value === null ? empty : convert(value)));
}

function scalarText(value: Given): string {
  if (typeof value === "object") throw new Error("an object or bytes in a column of another type");
  return String(value);
}

function validityOf(values: readonly unknown[]): { validity?: Uint8Array } {
  if (!values.includes(null)) return {};
  const validity = new Uint8Array(Math.ceil(values.length / 8));
  values.forEach((value, index) => {
    if (value !== null) validity[index >> 3]! |= 1 << (index & 7);
  });
  return { validity };
}

function daysOf(value: Given): number {
  return Number(microsOf(`${scalarText(value)}T00:00:00Z`) / 86_400_000_000n);
}

function microsOf(value: Given): bigint {
  const match = /^(.*T\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?Z$/u.exec(scalarText(value));
  if (match === null) throw new Error(`${scalarText(value)} is not a UTC time`);
  return BigInt(Date.parse(`${match[1]}Z`)) * 1000n + BigInt((match[2] ?? "").padEnd(6, "0"));
}

function unscaled(value: Given, scale: number): bigint {
  const match = /^(-?)(\d+)(?:\.(\d+))?$/u.exec(scalarText(value));
  const fraction = match?.[3] ?? "";
  if (match === null || fraction.length > scale)
    throw new Error(`${scalarText(value)} does not fit scale ${scale}`);
  const digits = BigInt(`${match[2]}${fraction.padEnd(scale, "0")}`);
  return match[1] === "-" ? -digits : digits;
}

function textOf(values: readonly Given[], text: (value: Given) => string): Values {
  const parts = values.map((value) => {
    if (value instanceof Uint8Array) return value;
    return new TextEncoder().encode(value === null ? "" : text(value));
  });
  const offsets = new Uint32Array(values.length + 1);
  parts.forEach((part, index) => {
    offsets[index + 1] = offsets[index]! + part.length;
  });
  return { kind: "text", data: new Uint8Array(Buffer.concat(parts)), offsets };
}

function jsonText(value: Json): string {
  if (typeof value === "bigint") return String(value);
  if (Array.isArray(value)) return `[${value.map((item: Json) => jsonText(item)).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).map(
    ([key, item]) => `${JSON.stringify(key)}:${jsonText(item as Json)}`,
  );
  return `{${fields.join(",")}}`;
}

// --- The stage on which laws are proved ---------------------------------------------------------------------------

const DATASET = "laws";
const STARTED_AT = Date.UTC(2024, 0, 31, 12, 0, 0);

type Row = Record<string, CellValue>;

interface TableRows {
  readonly table: TableSchema;
  readonly rows: readonly Row[];
}

/** A load of one package: what the pipeline does, in short. */
interface Load {
  readonly disposition?: WriteDisposition;
  readonly merge?: MergeRules;
  readonly nullKeys?: readonly string[];
  readonly snapshot?: boolean;
  /** The walk whose rows become visible together; with `isPart` this is one of its parts. */
  readonly walk?: string;
  readonly isPart?: true;
  /** When versions begin and end, as minutes after `STARTED_AT`. */
  readonly minute?: number;
  /** Parents before children. One table may come several times: each is a batch. */
  readonly batches: readonly TableRows[];
  /** All tables of the resource; by default the newest schema of each in `batches`. */
  readonly tables?: readonly TableSchema[];
  readonly pipeline?: string;
  readonly resource?: string;
  readonly loadId?: string;
  readonly id?: string;
  readonly state?: Partial<ResourceState>;
  readonly rejects?: readonly Reject[];
  readonly changes?: readonly SchemaChange[];
}

/** An open destination with shorthands. */
interface Trial extends OpenDestination {
  readonly connection: Connection;
  connect(dataset?: string): Promise<Connection>;
  load(load: Load): Promise<Receipt>;
  package(load: Load): Promise<PackageHeader>;
  plan(load: Load): StagePlan;
  /** Committed rows of a table, without system columns and in a stable order. */
  data(table: string): Promise<Row[]>;
}

let packages = 0;
let ids = 0;

/** The next system id: twelve characters, increasing. */
function nextId(): string {
  ids += 1;
  return String(ids).padStart(12, "0");
}

function planOf(load: Load): StagePlan {
  return {
    pipeline: load.pipeline ?? "shop",
    resource: load.resource ?? "orders",
    loadId: load.loadId ?? "load-1",
    writeDisposition: load.disposition ?? "append",
    ...(load.merge === undefined ? {} : { merge: load.merge }),
    ...(load.walk === undefined ? {} : { walk: load.walk }),
    ...(load.nullKeys === undefined ? {} : { nullKeys: load.nullKeys }),
  };
}

function tablesOf(load: Load): readonly TableSchema[] {
  return load.tables ?? [...new Map(load.batches.map(({ table }) => [table.name, table])).values()];
}

async function packageOf(connection: Connection, load: Load): Promise<PackageHeader> {
  packages += 1;
  const id = load.id ?? `package-${packages}`;
  const tables = tablesOf(load);
  const existing = await connection.describe(tables.map((table) => table.name));
  return {
    id,
    tables,
    changes: load.changes ?? (load.isPart === true ? [] : changesBetween(existing, tables)),
    state: {
      fingerprint: "f1",
      status: load.isPart === true ? "running" : "done",
      loadId: load.loadId ?? "load-1",
      loadResources: [load.resource ?? "resource"],
      packages,
      committedAt: STARTED_AT + 1000,
      ...load.state,
    },
    ...(load.snapshot === undefined ? {} : { snapshot: load.snapshot }),
    ...(load.isPart === undefined ? {} : { isPart: load.isPart }),
    rejects: load.rejects ?? [],
    startedAt: STARTED_AT,
    ...(load.minute === undefined ? {} : { boundary: STARTED_AT + load.minute * 60_000 }),
    schemaHash: `hash of ${jsonText(tables as unknown as Json)}`,
  };
}

function changesBetween(existing: readonly TableSchema[], wanted: readonly TableSchema[]): SchemaChange[] {
  return wanted.flatMap((table): SchemaChange[] => {
    const before = existing.find((candidate) => candidate.name === table.name);
    if (before === undefined) return [{ op: "create-table", table }];
    return table.columns.flatMap((column): SchemaChange[] => {
      const found = before.columns.find((candidate) => candidate.name === column.name);
      if (found === undefined) return [{ op: "add-column", table: table.name, column }];
      if (found.type === column.type) return [];
      return [{ op: "widen-column", table: table.name, column, from: found.type }];
    });
  });
}

async function writeAll(stage: Stage, load: Load): Promise<void> {
  for (const { table, rows } of load.batches) await stage.write(batchOf(table, rows));
}

async function onTrial(harness: DestinationHarness, body: (trial: Trial) => Promise<void>): Promise<void> {
  const open = await harness.open();
  const connections: Connection[] = [];
  const connect = async (dataset = DATASET) => {
    const connection = await open.destination.connect(dataset, new AbortController().signal);
    connections.push(connection);
    return connection;
  };
  try {
    const connection = await connect();
    await body({
      ...open,
      connection,
      connect,
      plan: planOf,
      package: (load) => packageOf(connection, load),
      load: (load) => loadInto(connection, load),
      data: async (table) => sorted((await open.rows(DATASET, table)).map(withoutSystemColumns)),
    });
  } finally {
    for (const connection of connections) await connection[Symbol.asyncDispose]();
    await open.dispose();
  }
}

async function loadInto(connection: Connection, load: Load): Promise<Receipt> {
  const stage = await connection.stage(planOf(load));
  try {
    await writeAll(stage, load);
    return await stage.commit(await packageOf(connection, load));
  } finally {
    await stage[Symbol.asyncDispose]();
  }
}

function withoutSystemColumns(row: Record<string, unknown>): Row {
  const system: readonly string[] = Object.values(SYSTEM_COLUMNS);
  return Object.fromEntries(Object.entries(row).filter(([name]) => !system.includes(name))) as Row;
}

function sorted(rows: readonly Row[]): Row[] {
  const key = (row: Row) =>
    JSON.stringify(row, (_, value: unknown) =>
      typeof value === "bigint" ? `n${String(value).padStart(20, "0")}` : value,
    );
  return rows.toSorted((left, right) => (key(left) < key(right) ? -1 : 1));
}

// --- Tables and rows ----------------------------------------------------------------------------------------------

const system = (name: string, type: DataType): ColumnSchema => ({ name, type, nullable: false });

/** A column from `"name"`, or its parts. */
function column(name: string, type: DataType, more: Partial<ColumnSchema> = {}): ColumnSchema {
  return { name, type, nullable: true, source: [name], ...more };
}

function rootTable(
  name: string,
  columns: readonly ColumnSchema[],
  primaryKey: readonly string[] = [],
): TableSchema {
  const own = [system(SYSTEM_COLUMNS.id, "text"), system(SYSTEM_COLUMNS.loadId, "text")];
  return { name, resource: "orders", primaryKey, columns: [...own, ...columns] };
}

function childTable(name: string, parent: string, columns: readonly ColumnSchema[]): TableSchema {
  const own = [
    system(SYSTEM_COLUMNS.id, "text"),
    system(SYSTEM_COLUMNS.parentId, "text"),
    system(SYSTEM_COLUMNS.rootId, "text"),
    system(SYSTEM_COLUMNS.listIdx, "bigint"),
  ];
  return { name, resource: "orders", parent, source: [name], primaryKey: [], columns: [...own, ...columns] };
}

function rootRow(values: Row): Row {
  return { [SYSTEM_COLUMNS.id]: nextId(), [SYSTEM_COLUMNS.loadId]: "load-1", ...values };
}

function childRow(parent: Row, index: number, values: Row, root: Row = parent): Row {
  return {
    [SYSTEM_COLUMNS.id]: nextId(),
    [SYSTEM_COLUMNS.parentId]: parent[SYSTEM_COLUMNS.id],
    [SYSTEM_COLUMNS.rootId]: root[SYSTEM_COLUMNS.id],
    [SYSTEM_COLUMNS.listIdx]: index,
    ...values,
  };
}

const ORDERS = rootTable("orders", [column("id", "bigint"), column("name", "text")], ["id"]);
const ITEMS = childTable("orders__items", "orders", [column("sku", "text")]);
const PARTS = childTable("orders__items__parts", "orders__items", [column("value", "bigint")]);

const orders = (...rows: readonly [id: number, name: string | null][]): TableRows => ({
  table: ORDERS,
  rows: rows.map(([id, name]) => rootRow({ id, name })),
});

const ordersData = (...rows: readonly [id: number, name: string | null][]): Row[] =>
  rows.map(([id, name]) => ({ id: BigInt(id), name }));

type OrderWithItems = [id: number, name: string, skus: readonly string[]];

/** Orders with their items: `[id, name, [sku, …]]`; each item has its two parts. */
function ordersWithItems(...given: readonly OrderWithItems[]): TableRows[] {
  const roots: Row[] = [];
  const items: Row[] = [];
  const parts: Row[] = [];
  for (const [id, name, skus] of given) {
    const root = rootRow({ id, name });
    roots.push(root);
    skus.forEach((sku, index) => {
      const item = childRow(root, index, { sku });
      items.push(item);
      parts.push(childRow(item, 0, { value: id }, root), childRow(item, 1, { value: id * 10 }, root));
    });
  }
  return [
    { table: ORDERS, rows: roots },
    { table: ITEMS, rows: items },
    { table: PARTS, rows: parts },
  ];
}

// --- Versions of rows -----------------------------------------------------------------------------------------------

/** A table of scd2: versions of orders. */
const versioned = (primaryKey: readonly string[]): TableSchema => ({
  ...ORDERS,
  primaryKey,
  columns: [
    ...ORDERS.columns.slice(0, 2),
    { name: SYSTEM_COLUMNS.validFrom, type: "timestamp", nullable: true },
    { name: SYSTEM_COLUMNS.validTo, type: "timestamp", nullable: true },
    { name: SYSTEM_COLUMNS.rowHash, type: "text", nullable: true },
    ...ORDERS.columns.slice(2),
  ],
});

/** The time so many minutes after `STARTED_AT`. */
function minuteText(minute: number): string {
  return `${new Date(STARTED_AT + minute * 60_000).toISOString().slice(0, -1)}000Z`;
}

interface Versions {
  readonly minute: number;
  readonly snapshot?: boolean;
  readonly merge?: MergeRules;
  readonly primaryKey?: readonly string[];
}

/** Loads versions of orders with their items as the core does: `[id, name, [sku, …]]`. */
function loadVersions(
  trial: Trial,
  { minute, snapshot = false, merge = {}, primaryKey = ["id"] }: Versions,
  ...given: readonly [id: number, name: string, skus?: readonly string[]][]
): Promise<Receipt> {
  const table = versioned(primaryKey);
  const [roots, items] = ordersWithItems(
    ...given.map(([id, name, list = []]): [number, string, readonly string[]] => [id, name, list]),
  );
  const rows = roots!.rows.map((row, index) => ({
    ...row,
    [SYSTEM_COLUMNS.validFrom]: minuteText(minute),
    [SYSTEM_COLUMNS.rowHash]: JSON.stringify(given[index]),
  }));
  return trial.load({
    disposition: "merge",
    merge: { ...merge, strategy: "scd2" },
    tables: [table, ITEMS],
    batches: rows.length === 0 ? [] : [{ table, rows }, items!],
    snapshot,
    minute,
  });
}

/** Every version as `id name from-to`, with the minutes; none: it is the present one. */
async function history(trial: Trial): Promise<string[]> {
  const rows = await trial.rows(DATASET, "orders");
  const minute = (value: unknown) =>
    typeof value === "string" ? String((Date.parse(value) - STARTED_AT) / 60_000) : "";
  return rows
    .map((row) => {
      const { [SYSTEM_COLUMNS.validFrom]: from, [SYSTEM_COLUMNS.validTo]: to } = row;
      return `${String(row["id"])} ${String(row["name"])} ${minute(from)}-${minute(to)}`;
    })
    .sort();
}

async function skus(trial: Trial): Promise<unknown[]> {
  return (await trial.data("orders__items")).map((row) => row["sku"]);
}

async function partValues(trial: Trial): Promise<unknown[]> {
  return (await trial.data("orders__items__parts")).map((row) => row["value"]);
}

function counts(inserted: number, updated = 0, deleted = 0, rejected = 0): TableCounts {
  return { inserted, updated, deleted, rejected };
}

async function rejection(promise: Promise<unknown>): Promise<SluiceError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof SluiceError, `expected a SluiceError, got ${String(error)}`);
    return error;
  }
  return assert.fail("expected an error, but it succeeded");
}

function typeLabel({ type, precision, scale }: ColumnSchema): string {
  return type === "decimal" ? `${type}_${precision}_${scale}` : type;
}

/** A table with one `id` and a column `v`: loads the values, reads them back in their order. */
async function roundTrip(
  trial: Trial,
  schema: ColumnSchema,
  values: readonly CellValue[],
): Promise<unknown[]> {
  const table = rootTable(`values_${typeLabel(schema)}`, [column("id", "bigint"), schema]);
  await trial.load({
    batches: [{ table, rows: values.map((value, id) => rootRow({ id, [schema.name]: value })) }],
  });
  return (await trial.data(table.name)).map((row) => row[schema.name]);
}

// --- The laws -----------------------------------------------------------------------------------------------------

const LAWS: Readonly<Record<string, (trial: Trial) => Promise<void>>> = {
  "tables are created as described": async (trial) => {
    const table = rootTable("everything", [
      column("t", "text"),
      column("i", "bigint", { nullable: false }),
      column("d", "double"),
      column("m", "decimal", { precision: 10, scale: 2 }),
      column("big", "decimal", { precision: 38, scale: 0 }),
      column("b", "bool"),
      column("ts", "timestamp"),
      column("day", "date"),
      column("tm", "time"),
      column("bin", "binary"),
      column("j", "json"),
    ]);
    assert.deepEqual(await trial.connection.describe(["everything"]), []);
    await trial.load({ batches: [], tables: [table] });
    const described = await trial.connection.describe(["everything", "nothing"]);
    assert.deepEqual(
      described.map(({ name }) => name),
      ["everything"],
    );
    const shape = ({ name, type, nullable, precision, scale }: ColumnSchema) => ({
      name,
      type,
      nullable,
      ...(type === "decimal" ? { precision, scale } : {}),
    });
    assert.deepEqual(described[0]!.columns.map(shape), table.columns.map(shape));
    assert.deepEqual(changesBetween(described, [table]), []);
  },

  "append adds": async (trial) => {
    await trial.load({ batches: [orders([1, "a"])] });
    const receipt = await trial.load({ batches: [orders([1, "b"], [2, "c"])] });
    assert.deepEqual(await trial.data("orders"), ordersData([1, "a"], [1, "b"], [2, "c"]));
    assert.deepEqual(receipt, { replayed: false, tables: { orders: counts(2) } });
  },

  "one stage commits package after package": async (trial) => {
    const stage = await trial.connection.stage(trial.plan({ batches: [] }));
    for (const load of [{ batches: [orders([1, "a"])] }, { batches: [orders([2, "b"])] }]) {
      await writeAll(stage, load);
      assert.deepEqual((await stage.commit(await trial.package(load))).tables, { orders: counts(1) });
    }
    await stage[Symbol.asyncDispose]();
    assert.deepEqual(await trial.data("orders"), ordersData([1, "a"], [2, "b"]));
  },

  "replace leaves only the new rows": async (trial) => {
    await trial.load({ batches: ordersWithItems([1, "a", ["x", "y"]], [2, "b", ["z"]]) });
    const receipt = await trial.load({
      disposition: "replace",
      batches: ordersWithItems([3, "c", ["w"]]),
    });
    assert.deepEqual(await trial.data("orders"), ordersData([3, "c"]));
    assert.deepEqual(await skus(trial), ["w"]);
    assert.deepEqual(await partValues(trial), [3n, 30n]);
    assert.deepEqual(receipt.tables, {
      orders: counts(1, 0, 2),
      orders__items: counts(1, 0, 3),
      orders__items__parts: counts(2, 0, 6),
    });
  },

  "replace by no rows empties the tables": async (trial) => {
    await trial.load({ batches: ordersWithItems([1, "a", ["x"]]) });
    await trial.load({ disposition: "replace", batches: [], tables: [ORDERS, ITEMS, PARTS] });
    assert.deepEqual(await trial.data("orders"), []);
    assert.deepEqual(await skus(trial), []);
    assert.equal((await trial.connection.describe(["orders", "orders__items"])).length, 2);
  },

  "merge inserts and updates": async (trial) => {
    await trial.load({ disposition: "merge", batches: [orders([1, "a"], [2, "b"])] });
    const receipt = await trial.load({ disposition: "merge", batches: [orders([2, "B"], [3, "c"])] });
    assert.deepEqual(await trial.data("orders"), ordersData([1, "a"], [2, "B"], [3, "c"]));
    assert.deepEqual(receipt.tables, { orders: counts(1, 1) });
  },

  "merge replaces whole rows": async (trial) => {
    await trial.load({ disposition: "merge", batches: [orders([1, "a"])] });
    await trial.load({ disposition: "merge", batches: [orders([1, null])] });
    assert.deepEqual(await trial.data("orders"), ordersData([1, null]));
  },

  "merge without a primary key appends": async (trial) => {
    const table = { ...ORDERS, primaryKey: [] };
    for (const name of ["a", "b"]) {
      await trial.load({ disposition: "merge", batches: [{ table, rows: [rootRow({ id: 1, name })] }] });
    }
    assert.deepEqual(await trial.data("orders"), ordersData([1, "a"], [1, "b"]));
  },

  "merge clears repeats of a key that appends have left": async (trial) => {
    await trial.load({ batches: [orders([1, "a"], [1, "b"], [2, "c"])] });
    const receipt = await trial.load({ disposition: "merge", batches: [orders([1, "d"])] });
    assert.deepEqual(await trial.data("orders"), ordersData([1, "d"], [2, "c"]));
    assert.deepEqual(receipt.tables, { orders: counts(0, 1, 1) });
  },

  "of repeated keys in a package the last wins, with its children": async (trial) => {
    const receipt = await trial.load({
      disposition: "merge",
      batches: [
        ...ordersWithItems([1, "first", ["x", "y"]], [2, "other", ["o"]]),
        ...ordersWithItems([1, "last", ["z"]]),
      ],
    });
    assert.deepEqual(await trial.data("orders"), ordersData([1, "last"], [2, "other"]));
    assert.deepEqual(await skus(trial), ["o", "z"]);
    assert.deepEqual(await partValues(trial), [1n, 2n, 10n, 20n]);
    assert.deepEqual(receipt.tables["orders"], counts(2));
  },

  "merge goes by all columns of a compound key": async (trial) => {
    const table = rootTable(
      "stock",
      [column("shop", "text"), column("day", "date"), column("n", "bigint")],
      ["shop", "day"],
    );
    const rows = (...given: readonly [string, string, number][]) => ({
      table,
      rows: given.map(([shop, day, n]) => rootRow({ shop, day, n })),
    });
    await trial.load({
      disposition: "merge",
      batches: [rows(["a", "2024-01-01", 1], ["a", "2024-01-02", 2], ["b", "2024-01-01", 3])],
    });
    await trial.load({
      disposition: "merge",
      batches: [rows(["a", "2024-01-02", 20], ["b", "2024-01-02", 4])],
    });
    assert.deepEqual(
      (await trial.data("stock")).map(({ shop, day, n }) => [shop, day, n]),
      [
        ["a", "2024-01-01", 1n],
        ["a", "2024-01-02", 20n],
        ["b", "2024-01-01", 3n],
        ["b", "2024-01-02", 4n],
      ],
    );
  },

  "null in a key that may be null equals null, and nothing else": async (trial) => {
    const table = rootTable(
      "places",
      [column("city", "text"), column("flat", "bigint"), column("v", "text")],
      ["city", "flat"],
    );
    const load = (merge: MergeRules, ...given: readonly [city: string, flat: number | null, v: string][]) =>
      trial.load({
        disposition: "merge",
        merge,
        nullKeys: ["flat"],
        snapshot: true,
        batches: [{ table, rows: given.map(([city, flat, v]) => rootRow({ city, flat, v })) }],
      });
    const found = async () =>
      (await trial.data("places")).map((row) => Object.values(row).map(String).join(" "));
    await load({}, ["a", null, "1"], ["a", null, "2"], ["a", 0, "3"], ["b", null, "4"]);
    assert.deepEqual(await found(), ["a 0 3", "a null 2", "b null 4"]);
    const receipt = await load({}, ["a", null, "5"], ["c", null, "6"]);
    assert.deepEqual(receipt.tables["places"], counts(1, 1));
    assert.deepEqual(await found(), ["a 0 3", "a null 5", "b null 4", "c null 6"]);
    await load({ strategy: "insert-only" }, ["a", null, "7"], ["d", null, "8"], ["d", null, "9"]);
    assert.deepEqual(await found(), ["a 0 3", "a null 5", "b null 4", "c null 6", "d null 8"]);
    await load({ deleteMissing: "hard" }, ["a", null, "5"], ["d", null, "8"]);
    assert.deepEqual(await found(), ["a null 5", "d null 8"]);
  },

  "children follow their parent on merge, at every depth": async (trial) => {
    await trial.load({
      disposition: "merge",
      batches: ordersWithItems([1, "a", ["x", "y"]], [2, "b", ["z"]]),
    });
    const receipt = await trial.load({ disposition: "merge", batches: ordersWithItems([1, "a2", ["w"]]) });
    assert.deepEqual(await skus(trial), ["w", "z"]);
    assert.deepEqual(await partValues(trial), [1n, 2n, 10n, 20n]);
    assert.deepEqual(receipt.tables["orders__items"], counts(1, 0, 2));
    const parents = (await trial.rows(DATASET, "orders")).map((row) => row[SYSTEM_COLUMNS.id]);
    for (const item of await trial.rows(DATASET, "orders__items")) {
      assert.ok(parents.includes(item[SYSTEM_COLUMNS.parentId]));
      assert.equal(item[SYSTEM_COLUMNS.rootId], item[SYSTEM_COLUMNS.parentId]);
    }
  },

  "a parent that comes without children loses the old ones": async (trial) => {
    await trial.load({ disposition: "merge", batches: ordersWithItems([1, "a", ["x"]], [2, "b", ["z"]]) });
    await trial.load({
      disposition: "merge",
      batches: [orders([1, "a2"])],
      tables: [ORDERS, ITEMS, PARTS],
    });
    assert.deepEqual(await trial.data("orders"), ordersData([1, "a2"], [2, "b"]));
    assert.deepEqual(await skus(trial), ["z"]);
    assert.deepEqual(await partValues(trial), [2n, 20n]);
  },

  "a merge key takes all rows that share it, of a compound one all parts": async (trial) => {
    const table = rootTable("days", [column("shop", "text"), column("day", "text"), column("n", "bigint")]);
    const load = (...given: readonly [string, string | null, number][]) =>
      trial.load({
        disposition: "merge",
        merge: { mergeKey: ["shop", "day"] },
        batches: [{ table, rows: given.map(([shop, day, n]) => rootRow({ shop, day, n })) }],
      });
    await load(["a", "bc", 1], ["a", "bc", 2], ["ab", "c", 3], ["a", null, 4]);
    const receipt = await load(["a", "bc", 5], ["a", null, 6]);
    assert.deepEqual(
      (await trial.data("days")).map(({ n }) => n).toSorted((a, b) => Number(a) - Number(b)),
      [3n, 4n, 5n, 6n],
    );
    assert.deepEqual(receipt.tables["days"], counts(2, 0, 2));
  },

  "a merge key beside the primary key: either takes a row, with its children": async (trial) => {
    const merge = { mergeKey: ["name"] };
    await trial.load({
      disposition: "merge",
      batches: ordersWithItems([1, "mon", ["x"]], [2, "mon", ["y"]], [3, "tue", ["z"]], [4, "wed", ["w"]]),
    });
    const receipt = await trial.load({
      disposition: "merge",
      merge,
      batches: ordersWithItems([3, "mon", ["n"]]),
    });
    assert.deepEqual(await trial.data("orders"), ordersData([3, "mon"], [4, "wed"]));
    assert.deepEqual(await skus(trial), ["n", "w"]);
    assert.deepEqual(receipt.tables["orders"], counts(0, 1, 2));
  },

  "dedup_sort says which of repeated keys stays, null after all": async (trial) => {
    const table = { ...ORDERS, columns: [...ORDERS.columns, column("lsn", "text")] };
    const rows = [
      ["middle", "b"],
      ["high", "c"],
      ["low", "B"],
      ["none", null],
    ].map(([name, lsn]) => rootRow({ id: 1, name: name!, lsn: lsn! }));
    for (const [order, name, lsn] of [
      ["desc", "high", "c"],
      ["asc", "low", "B"],
    ] as const) {
      const merge: MergeRules = { dedupSort: { column: "lsn", order } };
      await trial.load({ disposition: "merge", merge, batches: [{ table, rows }] });
      assert.deepEqual(await trial.data("orders"), [{ id: 1n, name, lsn }]);
    }
  },

  "a hard delete takes its key with all children, and is not stored": async (trial) => {
    const table = { ...ORDERS, columns: [...ORDERS.columns, column("gone", "bool"), column("at", "text")] };
    const rows = (...given: readonly [number, boolean | null, string | null][]) => ({
      table,
      rows: given.map(([id, gone, at]) => rootRow({ id, name: "n", gone, at })),
    });
    const tables = [table, ITEMS, PARTS];
    await trial.load({
      disposition: "merge",
      batches: ordersWithItems([1, "a", ["x"]], [2, "b", ["y"]], [3, "c", ["z"]]),
    });
    const receipt = await trial.load({
      disposition: "merge",
      merge: { hardDelete: "gone" },
      tables,
      batches: [rows([1, true, null], [9, true, null], [2, false, null])],
    });
    assert.deepEqual(
      (await trial.data("orders")).map(({ id }) => id),
      [2n, 3n],
    );
    assert.deepEqual(await skus(trial), ["z"]);
    assert.deepEqual(receipt.tables["orders"], counts(0, 1, 1));
    // Of repeated keys the one that stays decides; of another type than bool any value is a mark.
    await trial.load({
      disposition: "merge",
      merge: { hardDelete: "at" },
      tables,
      batches: [rows([2, null, "x"], [2, null, null], [3, null, null], [3, null, ""])],
    });
    assert.deepEqual(
      (await trial.data("orders")).map(({ id }) => id),
      [2n],
    );
  },

  "insert-only leaves what is there, and takes the first of repeated keys": async (trial) => {
    const merge: MergeRules = { strategy: "insert-only" };
    await trial.load({ disposition: "merge", merge, batches: ordersWithItems([1, "a", ["x"]]) });
    const receipt = await trial.load({
      disposition: "merge",
      merge,
      batches: ordersWithItems([1, "new", ["n"]], [2, "b", ["y"]], [2, "b2", ["y2"]]),
    });
    assert.deepEqual(await trial.data("orders"), ordersData([1, "a"], [2, "b"]));
    assert.deepEqual(await skus(trial), ["x", "y"]);
    assert.deepEqual(receipt.tables["orders"], counts(1));
    assert.deepEqual(receipt.tables["orders__items__parts"], counts(2));
  },

  "upsert replaces the row and its children, vanished ones too": async (trial) => {
    const merge: MergeRules = { strategy: "upsert" };
    const tables = [ORDERS, ITEMS, PARTS];
    await trial.load({ disposition: "merge", merge, batches: ordersWithItems([1, "a", ["1", "2"]]) });
    await trial.load({ disposition: "merge", merge, batches: ordersWithItems([1, "a", ["5"]]) });
    assert.deepEqual(await skus(trial), ["5"]);
    await trial.load({ disposition: "merge", merge, tables, batches: [orders([1, "b"], [1, "c"])] });
    assert.deepEqual(await trial.data("orders"), ordersData([1, "c"]));
    assert.deepEqual(await skus(trial), []);
  },

  "what a snapshot does not have is deleted, and only by a snapshot": async (trial) => {
    const merge: MergeRules = { deleteMissing: "hard" };
    const tables = [ORDERS, ITEMS, PARTS];
    const load = (batches: readonly TableRows[], snapshot: boolean) =>
      trial.load({ disposition: "merge", merge, tables, batches, snapshot });
    await load(ordersWithItems([1, "a", ["x"]], [2, "b", ["y"]], [3, "c", ["z"]]), true);
    await load([orders([1, "a2"])], false);
    assert.deepEqual((await trial.data("orders")).length, 3);
    const receipt = await load(ordersWithItems([2, "b2", ["w"]], [4, "d", []]), true);
    assert.deepEqual(await trial.data("orders"), ordersData([2, "b2"], [4, "d"]));
    assert.deepEqual(await skus(trial), ["w"]);
    assert.deepEqual(receipt.tables["orders"], counts(1, 1, 2));
    assert.deepEqual((await load([], false)).tables["orders"], counts(0));
    assert.deepEqual((await load([], true)).tables["orders"], counts(0, 0, 2));
    assert.deepEqual([await trial.data("orders"), await skus(trial)], [[], []]);
  },

  "what a snapshot does not have is marked as deleted, and what comes back is not": async (trial) => {
    const { deletedAt } = SYSTEM_COLUMNS;
    const columns = [...ORDERS.columns, { name: deletedAt, type: "timestamp", nullable: true } as const];
    const table = { ...ORDERS, columns };
    const load = (minute: number, snapshot: boolean, ...given: OrderWithItems[]) => {
      const [roots, items] = ordersWithItems(...given);
      const batches = given.length === 0 ? [] : [{ table, rows: roots!.rows }, items!];
      const merge: MergeRules = { deleteMissing: "soft" };
      return trial.load({ disposition: "merge", merge, tables: [table, ITEMS], batches, snapshot, minute });
    };
    const found = async () =>
      Object.fromEntries((await trial.rows(DATASET, "orders")).map((row) => [row["name"], row[deletedAt]]));
    await load(0, true, [1, "a", ["x"]], [2, "b", ["y"]], [3, "c", ["z"]]);
    assert.deepEqual(await found(), { a: null, b: null, c: null });
    const receipt = await load(1, true, [1, "a2", []]);
    assert.deepEqual(receipt.tables["orders"], counts(0, 1, 2));
    assert.deepEqual(await found(), { a2: null, b: minuteText(1), c: minuteText(1) });
    assert.deepEqual(await skus(trial), ["y", "z"]);
    assert.deepEqual((await load(2, false, [2, "b2", ["w"]])).tables["orders"], counts(0, 1));
    assert.deepEqual(await found(), { a2: null, b2: null, c: minuteText(1) });
    assert.deepEqual((await load(3, true)).tables["orders"], counts(0, 0, 2));
    assert.deepEqual(await found(), { a2: minuteText(3), b2: minuteText(3), c: minuteText(1) });
    assert.deepEqual(await skus(trial), ["w", "z"]);
    assert.deepEqual((await load(4, false)).tables["orders"], counts(0));
  },

  "scd2 ends the version that changed, and leaves the one that did not": async (trial) => {
    await loadVersions(trial, { minute: 0 }, [1, "a", ["x"]], [2, "b", ["y"]]);
    const receipt = await loadVersions(trial, { minute: 1 }, [1, "a2", ["x"]], [2, "b", ["y"]], [3, "c"]);
    assert.deepEqual(await history(trial), ["1 a 0-1", "1 a2 1-", "2 b 0-", "3 c 1-"]);
    assert.deepEqual(receipt.tables["orders"], counts(1, 1));
    assert.deepEqual(receipt.tables["orders__items"], counts(1));
    // The children of a version are those that it came with.
    assert.deepEqual(await skus(trial), ["x", "x", "y"]);
    const roots = new Set((await trial.rows(DATASET, "orders")).map((row) => row[SYSTEM_COLUMNS.id]));
    const items = await trial.rows(DATASET, "orders__items");
    assert.equal(new Set(items.map((row) => row[SYSTEM_COLUMNS.rootId])).size, 3);
    assert.ok(items.every((row) => roots.has(row[SYSTEM_COLUMNS.rootId])));
    assert.deepEqual((await loadVersions(trial, { minute: 2 }, [2, "b", ["y"]])).tables["orders"], counts(0));
  },

  "scd2 ends what a snapshot does not have, and what comes back begins anew": async (trial) => {
    await loadVersions(trial, { minute: 0, snapshot: true }, [1, "a"], [2, "b"]);
    const receipt = await loadVersions(trial, { minute: 1, snapshot: true }, [2, "b"]);
    assert.deepEqual(receipt.tables["orders"], counts(0, 0, 1));
    await loadVersions(trial, { minute: 2 }, [3, "c"]);
    assert.deepEqual(await history(trial), ["1 a 0-1", "2 b 0-", "3 c 2-"]);
    await loadVersions(trial, { minute: 3, snapshot: true }, [1, "a"]);
    assert.deepEqual(await history(trial), ["1 a 0-1", "1 a 3-", "2 b 0-3", "3 c 2-3"]);
    const versions = await trial.rows(DATASET, "orders");
    assert.equal(new Set(versions.map((row) => row[SYSTEM_COLUMNS.id])).size, 4);
    assert.deepEqual((await loadVersions(trial, { minute: 4 })).tables["orders"], counts(0));
    const empty = await loadVersions(trial, { minute: 5, snapshot: true });
    assert.deepEqual(empty.tables["orders"], counts(0, 0, 1));
    assert.deepEqual(await history(trial), ["1 a 0-1", "1 a 3-5", "2 b 0-3", "3 c 2-3"]);
  },

  "scd2: there and back again are three versions, one after the other": async (trial) => {
    for (const [minute, name] of ["a", "a2", "a"].entries())
      await loadVersions(trial, { minute, snapshot: true }, [1, name]);
    assert.deepEqual(await history(trial), ["1 a 0-1", "1 a 2-", "1 a2 1-2"]);
  },

  "scd2 without a key goes by the content, and keeps one of equal rows": async (trial) => {
    const keyless = { primaryKey: [], snapshot: true };
    await loadVersions(trial, { ...keyless, minute: 0 }, [1, "a", ["x"]], [1, "a", ["x"]], [1, "b"]);
    assert.deepEqual(await history(trial), ["1 a 0-", "1 b 0-"]);
    assert.deepEqual(await skus(trial), ["x"]);
    await loadVersions(trial, { ...keyless, minute: 1 }, [1, "a", ["x"]], [1, "c"]);
    assert.deepEqual(await history(trial), ["1 a 0-", "1 b 0-1", "1 c 1-"]);
  },

  "scd2 with a merge key ends only what shares it, of a compound one all parts": async (trial) => {
    const keyless = { primaryKey: [], merge: { mergeKey: ["name"] }, snapshot: true };
    await loadVersions(trial, { ...keyless, minute: 0 }, [1, "mon"], [2, "mon"], [3, "tue"]);
    await loadVersions(trial, { ...keyless, minute: 1 }, [2, "mon"], [12, "mon"]);
    assert.deepEqual(await history(trial), ["1 mon 0-1", "12 mon 1-", "2 mon 0-", "3 tue 0-"]);
    const compound = { primaryKey: [], merge: { mergeKey: ["id", "name"] } };
    await loadVersions(trial, { ...compound, minute: 2 }, [1, "2mon"], [2, "tue"], [3, "tue", ["x"]]);
    assert.deepEqual(await history(trial), [
      "1 2mon 2-",
      "1 mon 0-1",
      "12 mon 1-",
      "2 mon 0-",
      "2 tue 2-",
      "3 tue 0-2",
      "3 tue 2-",
    ]);
  },

  "scd2 ends a key that is marked as deleted; of repeated ones the last counts": async (trial) => {
    const merge: MergeRules = { hardDelete: "name" };
    await loadVersions(trial, { minute: 0 }, [1, "a", ["x"]], [1, "b", ["y"]], [2, "c"]);
    assert.deepEqual(await history(trial), ["1 b 0-", "2 c 0-"]);
    assert.deepEqual(await skus(trial), ["y"]);
    const receipt = await loadVersions(trial, { minute: 1, merge }, [1, "gone", ["z"]], [9, "gone"]);
    assert.deepEqual(receipt.tables["orders"], counts(0, 0, 1));
    assert.deepEqual(await history(trial), ["1 b 0-1", "2 c 0-"]);
    assert.deepEqual(await skus(trial), ["y"]);
  },

  "merge, then scd2: rows that are there become the first versions": async (trial) => {
    await trial.load({ batches: [orders([1, "a"], [2, "b"])] });
    await trial.load({ disposition: "merge", batches: [orders([2, "b2"])] });
    const receipt = await loadVersions(trial, { minute: 1, snapshot: true }, [2, "b2"], [3, "c"]);
    assert.deepEqual(await history(trial), ["1 a -1", "2 b2 -1", "2 b2 1-", "3 c 1-"]);
    assert.deepEqual(receipt.tables["orders"], counts(1, 1, 1));
  },

  "scd2 never begins before what is there": async (trial) => {
    await loadVersions(trial, { minute: 5 }, [1, "a"]);
    const error = await rejection(loadVersions(trial, { minute: 4 }, [1, "b"]));
    assert.equal(error.code, "data/history");
    assert.deepEqual(await history(trial), ["1 a 5-"]);
  },

  "append, then merge: children that appends left follow their parent": async (trial) => {
    await trial.load({ batches: ordersWithItems([1, "a", ["x"]], [1, "a", ["y"]], [2, "b", ["z"]]) });
    await trial.load({ disposition: "merge", batches: ordersWithItems([1, "a2", ["w"]]) });
    assert.deepEqual(await trial.data("orders"), ordersData([1, "a2"], [2, "b"]));
    assert.deepEqual(await skus(trial), ["w", "z"]);
  },

  "parts of a walk stay out of sight until it is complete": async (trial) => {
    mustKeepParts(trial);
    const wider = { ...ORDERS, columns: [...ORDERS.columns, column("late", "text")] };
    const last = {
      table: {
        ...wider,
        columns: wider.columns.map((one) => (one.name === "id" ? column("id", "double") : one)),
      },
      rows: [rootRow({ id: 4.5, name: "d", late: "!" })],
    };
    await trial.load({ disposition: "replace", batches: ordersWithItems([1, "old", ["o"]]) });
    const walk = { disposition: "replace", walk: "w1" } as const;
    const state = (page: number) => ({ state: { position: { page } } });
    const seen = async () => ({
      orders: await trial.data("orders"),
      skus: await skus(trial),
      parts: await partValues(trial),
      described: await trial.connection.describe(["orders", "orders__items"]),
      tables: (await trial.connection.state("shop"))?.tables,
    });
    const before = await seen();
    const stage = await trial.connection.stage(trial.plan({ ...walk, batches: [] }));
    for (const [page, batches] of [ordersWithItems([1, "a", ["x", "y"]]), [orders([1, "b"])]].entries()) {
      const part: Load = {
        ...walk,
        ...state(page),
        isPart: true,
        batches,
        rejects: page === 0 ? [REJECT] : [],
      };
      await writeAll(stage, part);
      const receipt = await stage.commit(await trial.package(part));
      assert.deepEqual(receipt.tables["orders"], counts(0, 0, 0, page === 0 ? 1 : 0));
      assert.deepEqual(await seen(), before);
      assert.deepEqual((await trial.connection.state("shop"))?.resources["orders"]?.position, { page });
    }
    await stage[Symbol.asyncDispose]();
    assert.equal((await trial.rows(DATASET, SYSTEM_TABLES.rejects)).length, 1);
    // As after a kill: on another connection, with nothing but what was committed.
    const other = await trial.connect();
    await loadInto(other, {
      ...walk,
      isPart: true,
      tables: [wider, ITEMS, PARTS],
      batches: [{ table: wider, rows: [rootRow({ id: 3, name: "c", late: null })] }],
    });
    assert.deepEqual(await seen(), before);
    const receipt = await loadInto(other, { ...walk, batches: [last], tables: [last.table, ITEMS, PARTS] });
    assert.deepEqual(await trial.data("orders"), [
      { id: 1, name: "a", late: null },
      { id: 1, name: "b", late: null },
      { id: 3, name: "c", late: null },
      { id: 4.5, name: "d", late: "!" },
    ]);
    assert.deepEqual(
      [await skus(trial), await partValues(trial)],
      [
        ["x", "y"],
        [1n, 1n, 10n, 10n],
      ],
    );
    assert.deepEqual(receipt.tables, {
      orders: counts(4, 0, 1),
      orders__items: counts(2, 0, 1),
      orders__items__parts: counts(4, 0, 2),
    });
    // They are used up.
    await loadInto(other, { ...walk, batches: [last], tables: [last.table, ITEMS, PARTS] });
    assert.deepEqual(
      (await trial.data("orders")).map(({ id }) => id),
      [4.5],
    );
  },

  "parts of a merge meet the table as one package": async (trial) => {
    mustKeepParts(trial);
    const table = { ...ORDERS, columns: [...ORDERS.columns, column("day", "text")] };
    const rows = (...given: readonly [id: number, day: string][]) => ({
      table,
      rows: given.map(([id, day]) => rootRow({ id, name: "n", day })),
    });
    const load = (batches: readonly TableRows[], more: Partial<Load> = {}) =>
      trial.load({ disposition: "merge", walk: "w1", tables: [table], batches, ...more });
    // Of the two of 6 the one on Monday stays, so no row of Tuesday has come.
    const merge: MergeRules = { mergeKey: ["day"], dedupSort: { column: "day", order: "asc" } };
    await load([rows([1, "mon"], [2, "mon"], [3, "tue"], [4, "wed"])], { walk: "w0" });
    await load([rows([5, "mon"], [6, "tue"])], { merge, isPart: true });
    await load([rows([6, "mon"], [7, "mon"])], { merge, isPart: true });
    const receipt = await load([], { merge });
    assert.deepEqual(
      (await trial.data("orders")).map(({ id, day }) => [id, day]),
      [
        [3n, "tue"],
        [4n, "wed"],
        [5n, "mon"],
        [6n, "mon"],
        [7n, "mon"],
      ],
    );
    assert.deepEqual(receipt.tables["orders"], counts(3, 0, 2));
    const missing: MergeRules = { deleteMissing: "hard" };
    await load([rows([4, "a"])], { walk: "w2", merge: missing, isPart: true });
    await load([rows([4, "b"], [8, "c"])], { walk: "w2", merge: missing, snapshot: true });
    assert.deepEqual(
      (await trial.data("orders")).map(({ id, day }) => [id, day]),
      [
        [4n, "b"],
        [8n, "c"],
      ],
    );
  },

  "parts of another walk, and of a state that was forgotten, are gone": async (trial) => {
    mustKeepParts(trial);
    const load = (walk: string | undefined, id: number, more: Partial<Load> = {}) =>
      trial.load({
        disposition: "replace",
        ...(walk === undefined ? {} : { walk }),
        batches: [orders([id, "n"])],
        ...more,
      });
    await load("w1", 1, { isPart: true });
    await load("w2", 2, { isPart: true });
    await load("w2", 3);
    assert.deepEqual(await trial.data("orders"), ordersData([2, "n"], [3, "n"]));
    await load("w3", 4, { isPart: true });
    await trial.connection.resetState("shop", ["orders"]);
    await load("w3", 5);
    assert.deepEqual(await trial.data("orders"), ordersData([5, "n"]));
    await load("w4", 6, { isPart: true });
    await trial.connection.resetState("shop");
    await load("w4", 7);
    assert.deepEqual(await trial.data("orders"), ordersData([7, "n"]));
    await load("w5", 8, { isPart: true });
    await load(undefined, 9, { disposition: "append" });
    await load("w5", 10);
    assert.deepEqual(await trial.data("orders"), ordersData([10, "n"]));
  },

  "parts of other pipelines and resources are left alone": async (trial) => {
    mustKeepParts(trial);
    const load = (pipeline: string, resource: string, id: number, isPart: boolean) =>
      trial.load({
        pipeline,
        resource,
        disposition: "replace",
        walk: "w1",
        batches: [orders([id, resource])],
        ...(isPart ? { isPart } : {}),
      });
    await load("one", "orders", 1, true);
    await load("two", "orders", 2, true);
    await load("one", "people", 3, true);
    await load("two", "orders", 4, false);
    assert.deepEqual(await trial.data("orders"), ordersData([2, "orders"], [4, "orders"]));
    await trial.connection.resetState("two");
    await load("one", "people", 5, false);
    assert.deepEqual(await trial.data("orders"), ordersData([3, "people"], [5, "people"]));
    await load("one", "orders", 6, false);
    assert.deepEqual(await trial.data("orders"), ordersData([1, "orders"], [6, "orders"]));
  },

  "a part that is replayed, and a last package that fails, change nothing": async (trial) => {
    mustKeepParts(trial);
    const walk = { disposition: "replace", walk: "w1" } as const;
    await trial.load({ ...walk, id: "p1", isPart: true, batches: [orders([1, "a"])] });
    const before = await everything(trial);
    const again = await trial.load({ ...walk, id: "p1", isPart: true, batches: [orders([1, "a"])] });
    assert.equal(again.replayed, true);
    assert.deepEqual(await everything(trial), before);
    const impossible: SchemaChange = {
      op: "widen-column",
      table: "nowhere",
      column: column("x", "double"),
      from: "bigint",
    };
    const changes: SchemaChange[] = [{ op: "create-table", table: ORDERS }];
    for (const disposition of ["replace", "merge"] as const) {
      const load = { ...walk, disposition, batches: [orders([2, "b"])] };
      await rejection(trial.load({ ...load, changes: [...changes, impossible] }));
      assert.deepEqual(await everything(trial), before);
    }
    const stage = await trial.connection.stage(trial.plan({ ...walk, batches: [] }));
    await writeAll(stage, { batches: [orders([2, "b"])] });
    await stage.commit(await trial.package({ ...walk, batches: [], tables: [ORDERS], changes }));
    await stage[Symbol.asyncDispose]();
    assert.deepEqual(await trial.data("orders"), ordersData([1, "a"], [2, "b"]));
  },

  "a new column keeps old rows": async (trial) => {
    const wider = { ...ORDERS, columns: [...ORDERS.columns, column("price", "double")] };
    await trial.load({ batches: [orders([1, "a"], [2, "b"])] });
    await trial.load({
      disposition: "merge",
      batches: [{ table: wider, rows: [rootRow({ id: 2, name: "B", price: 1.5 })] }],
    });
    assert.deepEqual(await trial.data("orders"), [
      { id: 1n, name: "a", price: null },
      { id: 2n, name: "B", price: 1.5 },
    ]);
  },

  "columns widen in place, with rows in the same package": async (trial) => {
    const shape = (v: DataType, w: DataType, x: DataType) =>
      rootTable(
        "wide",
        [column("id", "bigint"), column("v", v), column("w", w, DECIMAL), column("x", x)],
        ["id"],
      );
    await trial.load({
      batches: [
        {
          table: shape("bigint", "bigint", "date"),
          rows: [rootRow({ id: 1, v: 7, w: 9007199254740993n, x: "1969-12-31" }), rootRow({ id: 2, v: 8 })],
        },
      ],
    });
    await trial.load({
      disposition: "merge",
      batches: [
        {
          table: shape("double", "decimal", "timestamp"),
          rows: [
            rootRow({
              id: 2,
              v: 0.5,
              w: "12345678901234567890123456789012345678",
              x: "2024-01-31T12:00:00.000001Z",
            }),
          ],
        },
      ],
    });
    assert.deepEqual(await trial.data("wide"), [
      { id: 1n, v: 7, w: "9007199254740993", x: "1969-12-31T00:00:00.000000Z" },
      { id: 2n, v: 0.5, w: "12345678901234567890123456789012345678", x: "2024-01-31T12:00:00.000001Z" },
    ]);
  },

  "a column may come or widen in the middle of a package": async (trial) => {
    const wider = rootTable(
      "orders",
      [column("id", "double"), column("name", "text"), column("late", "text")],
      ["id"],
    );
    await trial.load({
      disposition: "merge",
      batches: [
        orders([1, "a"], [2, "b"]),
        { table: wider, rows: [rootRow({ id: 2.5, name: "c", late: "!" })] },
      ],
    });
    assert.deepEqual(await trial.data("orders"), [
      { id: 1, name: "a", late: null },
      { id: 2, name: "b", late: null },
      { id: 2.5, name: "c", late: "!" },
    ]);
  },

  "a change that another pipeline has made already is no obstacle": async (trial) => {
    const wider = { ...ORDERS, columns: [...ORDERS.columns, column("price", "double")] };
    const change: SchemaChange = { op: "create-table", table: wider };
    await trial.load({ batches: [orders([1, "a"])] });
    const batches = [{ table: wider, rows: [rootRow({ id: 2, name: "b", price: 2 })] }];
    await trial.load({ pipeline: "other", batches, changes: [change] });
    const late: SchemaChange = { op: "add-column", table: "orders", column: column("price", "double") };
    await trial.load({ batches: [], tables: [wider], changes: [late] });
    assert.deepEqual(
      (await trial.data("orders")).map((row) => row["price"]),
      [null, 2],
    );
  },

  "a change that contradicts the table is refused": async (trial) => {
    await trial.load({ batches: [orders([1, "a"])] });
    const clash: SchemaChange = { op: "add-column", table: "orders", column: column("name", "bigint") };
    const error = await rejection(trial.load({ batches: [orders([2, "b"])], changes: [clash] }));
    assert.equal(error.kind, "destination");
    assert.deepEqual(await trial.data("orders"), ordersData([1, "a"]));
  },

  "a replayed package changes nothing": async (trial) => {
    await trial.load({ id: "p1", batches: [orders([1, "a"])], state: { position: { page: 1 } } });
    const before = await everything(trial);
    const receipt = await trial.load({
      id: "p1",
      batches: [orders([1, "a"])],
      state: { position: { page: 2 } },
      rejects: [REJECT],
    });
    assert.equal(receipt.replayed, true);
    assert.deepEqual(await everything(trial), before);
  },

  "after a replay the stage takes the next package": async (trial) => {
    await trial.load({ id: "p1", batches: [orders([1, "a"])] });
    const stage = await trial.connection.stage(trial.plan({ batches: [] }));
    for (const load of [
      { id: "p1", batches: [orders([1, "a"])] },
      { id: "p2", batches: [orders([2, "b"])] },
    ]) {
      await writeAll(stage, load);
      await stage.commit(await trial.package(load));
    }
    await stage[Symbol.asyncDispose]();
    assert.deepEqual(await trial.data("orders"), ordersData([1, "a"], [2, "b"]));
  },

  "a failed commit changes nothing": async (trial) => {
    await trial.load({ batches: [orders([1, "not a number"])] });
    const before = await everything(trial);
    for (const disposition of ["append", "replace", "merge"] as const) {
      const more = rootTable("more", [column("id", "bigint")]);
      const error = await rejection(
        trial.load({
          disposition,
          batches: [orders([1, "x"], [2, "y"])],
          rejects: [REJECT],
          state: { position: { page: 9 } },
          changes: [
            { op: "create-table", table: more },
            { op: "add-column", table: "orders", column: column("price", "double") },
            { op: "widen-column", table: "orders", column: column("name", "bigint"), from: "text" },
          ],
        }),
      );
      assert.equal(error.code, "destination/failed");
      assert.ok(!error.message.includes("not a number"), "an error message must not hold a value");
      assert.deepEqual(await everything(trial), before);
      assert.deepEqual(await trial.connection.describe(["more"]), []);
    }
    await trial.load({ batches: [orders([2, "b"])] });
    assert.deepEqual(await trial.data("orders"), ordersData([1, "not a number"], [2, "b"]));
  },

  "a failed first commit leaves nothing at all": async (trial) => {
    const impossible: SchemaChange = {
      op: "widen-column",
      table: "nowhere",
      column: column("x", "double"),
      from: "bigint",
    };
    const created: SchemaChange = { op: "create-table", table: ORDERS };
    await rejection(trial.load({ batches: [orders([1, "a"])], changes: [created, impossible] }));
    assert.deepEqual(await trial.connection.describe(["orders"]), []);
    assert.equal(await trial.connection.state("shop"), undefined);
  },

  "what is staged is invisible, and leaves nothing": async (trial) => {
    await trial.load({ batches: [orders([1, "a"])] });
    const before = await everything(trial);
    const stage = await trial.connection.stage(trial.plan({ disposition: "replace", batches: [] }));
    await writeAll(stage, { batches: ordersWithItems([2, "b", ["x"]]) });
    assert.deepEqual(await everything(trial), before);
    await stage[Symbol.asyncDispose]();
    assert.deepEqual(await everything(trial), before);
    assert.deepEqual(await trial.connection.describe(["orders__items"]), []);
  },

  "state is there exactly when its rows are": async (trial) => {
    assert.equal(await trial.connection.state("shop"), undefined);
    const load: Load = {
      batches: [orders([1, "a"])],
      state: { status: "running", position: { url: "/orders?after='x'&n=\u0000é", page: 2 } },
    };
    const stage = await trial.connection.stage(trial.plan(load));
    await writeAll(stage, load);
    assert.equal(await trial.connection.state("shop"), undefined);
    const pkg = await trial.package(load);
    await stage.commit(pkg);
    await stage[Symbol.asyncDispose]();
    const reader = await trial.connect();
    const state = await reader.state("shop");
    assert.deepEqual(state, { resources: { orders: pkg.state }, notes: {}, tables: [ORDERS] });
  },

  "state is updated in place": async (trial) => {
    for (const page of [1, 2, 3]) {
      await trial.load({ batches: [orders([page, "a"])], state: { position: { page } } });
    }
    const state = await trial.connection.state("shop");
    assert.deepEqual(state?.resources["orders"]?.position, { page: 3 });
    assert.equal((await trial.rows(DATASET, SYSTEM_TABLES.state)).length, 1);
    assert.equal((await trial.rows(DATASET, SYSTEM_TABLES.schema)).length, 1);
  },

  "state tells the tables as they are now": async (trial) => {
    const wider = { ...ORDERS, columns: [...ORDERS.columns, column("price", "double")] };
    await trial.load({ batches: [orders([1, "a"])] });
    await trial.load({ batches: [{ table: wider, rows: [] }] });
    assert.deepEqual((await trial.connection.state("shop"))?.tables, [wider]);
    assert.equal((await trial.rows(DATASET, SYSTEM_TABLES.schema)).length, 2);
  },

  "two pipelines do not see each other's state": async (trial) => {
    await trial.load({ pipeline: "one", batches: [orders([1, "a"])], state: { fingerprint: "of one" } });
    assert.equal(await trial.connection.state("two"), undefined);
    await trial.load({ pipeline: "two", batches: [orders([2, "b"])], state: { fingerprint: "of two" } });
    assert.equal((await trial.connection.state("one"))?.resources["orders"]?.fingerprint, "of one");
    await trial.connection.resetState("two");
    assert.equal((await trial.connection.state("one"))?.resources["orders"]?.fingerprint, "of one");
  },

  "forgetting the state keeps rows and tables": async (trial) => {
    await trial.connection.resetState("shop");
    await trial.load({ batches: [orders([1, "a"])] });
    const people = { ...ORDERS, name: "people", resource: "people" };
    const batches = [{ table: people, rows: [rootRow({ id: 1, name: "p" })] }];
    await trial.load({ resource: "people", batches });
    await trial.connection.resetState("shop", ["orders"]);
    assert.deepEqual(Object.keys((await trial.connection.state("shop"))?.resources ?? {}), ["people"]);
    await trial.connection.resetState("shop");
    assert.deepEqual((await trial.connection.state("shop"))?.resources ?? {}, {});
    assert.deepEqual(await trial.data("orders"), ordersData([1, "a"]));
  },

  "a note is stored at once, beside the state, and stays": async (trial) => {
    await trial.connection.remember("shop", "limits", { left: [3, null] });
    await trial.load({ batches: [orders([1, "a"])] });
    await trial.connection.remember("shop", "limits", { left: [2, "é\u0000"] });
    await trial.connection.remember("other", "limits", 1);
    const state = await (await trial.connect()).state("shop");
    assert.deepEqual(state?.notes, { limits: { left: [2, "é\u0000"] } });
    assert.deepEqual(Object.keys(state.resources), ["orders"]);
    await trial.connection.resetState("shop");
    const after = await trial.connection.state("shop");
    assert.deepEqual(after?.notes, { limits: { left: [2, "é\u0000"] } });
    assert.deepEqual(after.resources, {});
  },

  "stages of different resources commit side by side": async (trial) => {
    const names = ["a", "b", "c"];
    const tables = names.map((name) => ({ ...ORDERS, name, resource: name }));
    await Promise.all(
      tables.map(async (table, index) => {
        const batches = [0, 1, 2].map((part) => ({
          table,
          rows: Array.from({ length: 50 }, (_, row) => rootRow({ id: part * 50 + row, name: names[index] })),
        }));
        for (let round = 0; round < 3; round += 1) {
          await trial.load({ resource: table.name, disposition: "merge", batches });
        }
      }),
    );
    for (const name of names) assert.equal((await trial.data(name)).length, 150);
    const loads = await trial.rows(DATASET, SYSTEM_TABLES.loads);
    assert.equal(loads.length, 9);
  },

  "two pipelines merge into one table at the same time": async (trial) => {
    const other = await trial.connect();
    await Promise.all([
      trial.load({ pipeline: "one", disposition: "merge", batches: [orders([1, "a"], [2, "b"])] }),
      loadInto(other, { pipeline: "two", disposition: "merge", batches: [orders([3, "c"], [4, "d"])] }),
    ]);
    assert.deepEqual(await trial.data("orders"), ordersData([1, "a"], [2, "b"], [3, "c"], [4, "d"]));
  },

  "one dataset does not see the other's tables": async (trial) => {
    const other = await trial.connect("elsewhere");
    await loadInto(other, { batches: [orders([1, "a"])] });
    assert.deepEqual(await trial.connection.describe(["orders"]), []);
    assert.equal(await trial.connection.state("shop"), undefined);
    await trial.load({ batches: [orders([2, "b"])] });
    assert.deepEqual(await trial.data("orders"), ordersData([2, "b"]));
  },

  "a second writer is refused by name until the first is done": async (trial) => {
    const lease = await trial.connection.acquire("shop");
    const other = await trial.connect();
    const error = await rejection(other.acquire("shop"));
    assert.equal(error.code, "destination/locked");
    assert.match(error.message, /shop/u);
    const neighbour = await other.acquire("another shop");
    await neighbour[Symbol.asyncDispose]();
    await lease[Symbol.asyncDispose]();
    const next = await other.acquire("shop");
    await lease[Symbol.asyncDispose]();
    await rejection(trial.connection.acquire("shop"));
    await next[Symbol.asyncDispose]();
  },

  "integers of 64 bits are exact": async (trial) => {
    const values = [0n, 1n, -1n, 2n ** 53n + 1n, -(2n ** 53n) - 1n, 2n ** 63n - 1n, -(2n ** 63n)];
    assert.deepEqual(await roundTrip(trial, column("v", "bigint"), values), values);
  },

  "decimals are exact at every precision": async (trial) => {
    for (const [precision, scale, values] of [
      [4, 2, ["99.99", "-99.99", "0.00", "-0.01"]],
      [9, 0, ["999999999", "-999999999", "0"]],
      [9, 9, ["0.999999999", "-0.999999999"]],
      [18, 6, ["999999999999.999999", "-999999999999.999999"]],
      [19, 0, ["9999999999999999999", "-9999999999999999999"]],
      [38, 0, ["9".repeat(38), `-${"9".repeat(38)}`, "18446744073709551616", "-1", "0"]],
      [38, 18, [`${"9".repeat(20)}.${"9".repeat(18)}`, "-0.000000000000000001"]],
    ] as const) {
      const schema = column("v", "decimal", { precision, scale });
      assert.deepEqual(await roundTrip(trial, schema, [...values, null]), [...values, null]);
    }
  },

  "doubles are exact to the last bit": async (trial) => {
    const values = [0, 0.1, -1.5, 5e-324, Number.MAX_VALUE, -Number.MAX_VALUE, 2 ** 53, 1 / 3, null];
    assert.deepEqual(await roundTrip(trial, column("v", "double"), values), values);
  },

  "times are exact to the microsecond, before 1970 too": async (trial) => {
    const instants = [
      "1970-01-01T00:00:00.000000Z",
      "1969-12-31T23:59:59.999999Z",
      "2024-02-29T12:34:56.000001Z",
      "0001-01-01T00:00:00.000000Z",
      "9999-12-31T23:59:59.999999Z",
      null,
    ];
    assert.deepEqual(await roundTrip(trial, column("v", "timestamp"), instants), instants);
    const days = ["1970-01-01", "1969-12-31", "0001-01-01", "2024-02-29", "9999-12-31", null];
    assert.deepEqual(await roundTrip(trial, column("v", "date"), days), days);
    const times = ["00:00:00.000000", "23:59:59.999999", "12:34:56.000001", null];
    assert.deepEqual(await roundTrip(trial, column("v", "time"), times), times);
  },

  "text is kept to the byte": async (trial) => {
    const values = [
      "",
      null,
      " ",
      "twelve bytes",
      "thirteen byte",
      "zwölf Bytes",
      "😀👩‍👩‍👧 and more",
      "line\nbreak\r\ttab\\",
      "\u{10ffff}\ufffd\ue000",
      "x".repeat(100_000),
      "é".repeat(5000),
    ];
    assert.deepEqual(await roundTrip(trial, column("v", "text"), values), values);
  },

  "the character NUL is kept, in text and in json": async (trial) => {
    const values = ["a\u0000b", "\u0000", null, `${"x".repeat(20)}\u0000y`];
    assert.deepEqual(await roundTrip(trial, column("v", "text"), values), values);
    const documents: Json[] = [{ a: ["é\u0000"] }, "\u0000", null];
    const readJson = await roundTrip(trial, column("v", "json"), documents);
    assert.deepEqual(
      readJson.map((value) => (typeof value === "string" ? (JSON.parse(value) as Json) : value)),
      documents,
    );
  },

  "booleans, bytes and json are kept": async (trial) => {
    const flags = [true, false, null, true];
    assert.deepEqual(await roundTrip(trial, column("v", "bool"), flags), flags);
    const bytes = [
      new Uint8Array([]),
      new Uint8Array([0, 255, 128, 10]),
      new Uint8Array(300).fill(254),
      null,
    ];
    const readBytes = await roundTrip(trial, column("v", "binary"), bytes);
    assert.deepEqual(
      readBytes.map((value) => (value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value)),
      bytes.map((value) => (value === null ? null : Buffer.from(value).toString("hex"))),
    );
    const documents: Json[] = [{ a: [1, "é\n", null], "": {} }, [], "text", 1.5, true];
    const readJson = await roundTrip(trial, column("v", "json"), [...documents, null]);
    assert.deepEqual(
      readJson.map((value) => (typeof value === "string" ? (JSON.parse(value) as Json) : value)),
      [...documents, null],
    );
  },

  "values that look like SQL are data": async (trial) => {
    const values = ["'", '"', "'; DROP TABLE orders; --", "$1", "?", "%s", "\\'", "${x}", "NULL"];
    assert.deepEqual(await roundTrip(trial, column("v", "text"), values), values);
    const pipeline = 'it\'s "mine"; --';
    await trial.load({ pipeline, resource: "o'r", batches: [orders([1, "'"])] });
    assert.deepEqual(Object.keys((await trial.connection.state(pipeline))?.resources ?? {}), ["o'r"]);
  },

  "any name works": async (trial) => {
    const names = [
      "with space",
      'quo"te',
      "sem;icolon -- comment",
      "select",
      "Mixed Case",
      "1st",
      "😀",
      "a.b",
      "$1",
      "temp",
      "main",
      "ünï",
    ];
    const longest = Math.min(200, trial.destination.maxIdentifierBytes ?? 200);
    for (const name of [...names, "n".repeat(longest)]) {
      const dataset = await trial.connect(name.slice(0, 60));
      const key = `key ${name}`.slice(0, longest);
      const table = rootTable(name, [column(name, "text"), column(key, "bigint")], [key]);
      const child = childTable(`${name}__c`.slice(-longest), name, [column(name, "text")]);
      const root = (value: string) => rootRow({ [name]: value, [key]: 1 });
      for (const value of ["a", "b"]) {
        const row = root(value);
        await loadInto(dataset, {
          pipeline: name,
          disposition: "merge",
          batches: [
            { table, rows: [row] },
            { table: child, rows: [childRow(row, 0, { [name]: value })] },
          ],
        });
      }
      const [described] = await dataset.describe([name]);
      assert.deepEqual(
        described?.columns.map((found) => found.name),
        table.columns.map((wanted) => wanted.name),
      );
      for (const stored of [name, child.name]) {
        const rows = await trial.rows(name.slice(0, 60), stored);
        assert.deepEqual(
          rows.map((row) => row[name]),
          ["b"],
          `table ${stored}`,
        );
      }
      await dataset[Symbol.asyncDispose]();
    }
  },

  "a name with NUL is refused": async (trial) => {
    const table = rootTable("bad\0name", [column("id", "bigint")]);
    const error = await rejection(trial.load({ batches: [{ table, rows: [rootRow({ id: 1 })] }] }));
    assert.equal(error.code, "data/names");
  },

  "three hundred columns are no problem": async (trial) => {
    const columns = Array.from({ length: 300 }, (_, index) =>
      column(`c${index}`, index % 3 === 0 ? "bigint" : index % 3 === 1 ? "text" : "double"),
    );
    const table = rootTable("wide", columns);
    const row = (n: number) =>
      Object.fromEntries(
        columns.map(({ name, type }, index) => {
          const value =
            type === "bigint" ? BigInt(n * index) : type === "text" ? `${n}:${index}` : n + index / 2;
          return [name, (n + index) % 7 === 0 ? null : value];
        }),
      );
    const rows = [0, 1, 2, 3, 4, 5, 6, 7, 8].map(row);
    await trial.load({ batches: [{ table, rows: rows.map(rootRow) }] });
    assert.deepEqual(await trial.data("wide"), sorted(rows));
  },

  "rejects are kept with everything about them": async (trial) => {
    const bare: Reject = {
      resource: "orders",
      table: "orders",
      path: "$",
      reason: "not-a-record",
      record: '"\\ud800\\u0000"',
    };
    const many = Array.from({ length: 250 }, (_, index) => ({ ...REJECT, path: `$[${index}]` }));
    const receipt = await trial.load({ batches: [orders([1, "a"])], rejects: [REJECT, bare, ...many] });
    assert.deepEqual(receipt.tables["orders"], counts(1, 0, 0, 252));
    const rows = await trial.rows(DATASET, SYSTEM_TABLES.rejects);
    assert.equal(rows.length, 252);
    const byPath = new Map(rows.map((row) => [row["path"], row]));
    assert.deepEqual({ ...byPath.get(REJECT.path) }, { load_id: "load-1", ...REJECT });
    assert.deepEqual({ ...byPath.get("$") }, { load_id: "load-1", ...bare, column: null, value: null });
  },

  "every commit leaves a load record": async (trial) => {
    await trial.load({ id: "p1", batches: [orders([1, "a"], [2, "b"])] });
    await trial.load({ id: "p2", disposition: "merge", batches: [orders([2, "B"])] });
    await trial.load({ id: "p3", disposition: "merge", batches: [], tables: [ORDERS] });
    const loads = await trial.rows(DATASET, SYSTEM_TABLES.loads);
    const summary = loads.map((row) => `${String(row["package"])} ${String(row["rows"])}`);
    assert.deepEqual(summary.toSorted(byText), ["p1 2", "p2 1", "p3 0"]);
    const first = loads.find((row) => row["package"] === "p1")!;
    assert.deepEqual(
      {
        load_id: first["load_id"],
        pipeline: first["pipeline"],
        resource: first["resource"],
        status: first["status"],
        started_at: first["started_at"],
        committed_at: first["committed_at"],
      },
      {
        load_id: "load-1",
        pipeline: "shop",
        resource: "orders",
        status: "committed",
        started_at: "2024-01-31T12:00:00.000000Z",
        committed_at: "2024-01-31T12:00:01.000000Z",
      },
    );
  },

  "what is not supported is refused before a row is staged": async (trial) => {
    const { supports, type } = trial.destination;
    const dispositions: WriteDisposition[] = ["append", "replace", "merge"];
    const rules: MergeRules[] = [
      ...MERGE_STRATEGIES.map((strategy) => ({ strategy })),
      { mergeKey: ["name"] },
      { dedupSort: { column: "name", order: "asc" } },
      { hardDelete: "name" },
      { deleteMissing: "hard" },
    ];
    const all: Load[] = [
      ...dispositions.map((disposition) => ({ disposition, batches: [] })),
      ...rules.map((merge) => ({ disposition: "merge" as const, merge, batches: [] })),
    ];
    for (const load of all) {
      const plan = trial.plan(load);
      const missing = whatIsMissing(supports, plan);
      if (missing === undefined) {
        const stage = await trial.connection.stage(plan);
        await stage[Symbol.asyncDispose]();
      } else {
        const error = await rejection(trial.connection.stage(plan));
        assert.equal(error.code, "config/unsupported", `${type} must refuse ${missing}`);
      }
    }
  },

  "old loads can be forgotten, with what they set aside, but nothing that the state speaks of": async (
    trial,
  ) => {
    const day = (n: number) => Date.UTC(2024, 0, n);
    const load = (n: number, more: Partial<Load> = {}) =>
      trial.load({
        id: `p${packages}`,
        loadId: `load-${n}`,
        batches: [orders([n, "a"])],
        rejects: [{ ...REJECT, path: `$.${n}` }],
        state: { committedAt: day(n) },
        ...more,
      });
    const wider = { ...ORDERS, columns: [...ORDERS.columns, column("price", "double")] };
    assert.deepEqual(await trial.connection.prune?.("shop", day(9)), { loads: 0, rejects: 0, schemas: 0 });
    await load(1);
    await load(1, { state: { committedAt: day(5) } });
    await load(2);
    await load(3, { resource: "people", tables: [wider] });
    await load(4, { batches: [{ table: wider, rows: [] }] });
    await load(2, { pipeline: "other", loadId: "load-other" });
    await load(6);
    const before = await trial.connection.state("shop");
    assert.deepEqual(await trial.connection.prune?.("shop", day(5)), { loads: 2, rejects: 2, schemas: 2 });
    const idsOf = async (table: string) =>
      (await trial.rows(DATASET, table)).map((row) => String(row["load_id"])).toSorted(byText);
    // The first load ended on the fifth; the third is what the state of people speaks of.
    const left = ["load-1", "load-1", "load-3", "load-6", "load-other"];
    assert.deepEqual(await idsOf(SYSTEM_TABLES.loads), left);
    assert.deepEqual(await idsOf(SYSTEM_TABLES.rejects), left);
    assert.deepEqual(await trial.connection.state("shop"), before);
    assert.equal((await trial.data("orders")).length, 6);
  },

  "disposing twice is no error": async (trial) => {
    const connection = await trial.connect();
    const lease = await connection.acquire("shop");
    const stage = await connection.stage(trial.plan({ batches: [] }));
    await writeAll(stage, { batches: [orders([1, "a"])] });
    for (const thing of [stage, stage, lease, lease, connection, connection]) {
      await thing[Symbol.asyncDispose]();
    }
    await trial.load({ batches: [orders([2, "b"])] });
    assert.deepEqual(await trial.data("orders"), ordersData([2, "b"]));
  },

  "ten thousand rows in uneven batches keep their order and values": async (trial) => {
    const table = rootTable("many", [
      column("n", "bigint"),
      column("short", "text"),
      column("long", "text"),
      column("half", "double"),
      column("even", "bool"),
      column("at", "timestamp"),
    ]);
    const rows = Array.from({ length: 10_000 }, (_, n) =>
      rootRow({
        n,
        short: n % 11 === 0 ? null : `s${n % 100}`,
        long: n % 13 === 0 ? null : `a longer text, number ${n} – é`,
        half: n % 5 === 0 ? null : n / 2,
        even: n % 3 === 0 ? null : n % 2 === 0,
        at: n % 7 === 0 ? null : `2024-01-01T00:00:00.${String(n).padStart(6, "0")}Z`,
      }),
    );
    const batches: TableRows[] = [];
    for (let from = 0, size = 1; from < rows.length; from += size, size = (size * 7 + 3) % 4999) {
      batches.push({ table, rows: rows.slice(from, from + size) });
    }
    await trial.load({ batches });
    const found = await trial.rows(DATASET, "many");
    found.sort((left, right) => byText(left[SYSTEM_COLUMNS.id], right[SYSTEM_COLUMNS.id]));
    assert.equal(found.length, rows.length);
    rows.forEach((row, index) => {
      assert.deepEqual({ ...found[index] }, { ...row, n: BigInt(index) });
    });
  },
};

const DECIMAL = { precision: 38, scale: 0 };

const REJECT: Reject = {
  resource: "orders",
  table: "orders",
  path: "$.items[0].price",
  reason: "null-in-not-null: price is declared not nullable",
  column: "price",
  value: "null",
  record: '{"id":1,"items":[{"price":null}],"s":"é\'\\""}',
};

/** The core commits no parts where they are not kept: such a destination lists the laws of parts in `cannot`. */
function mustKeepParts(trial: Trial): void {
  assert.equal(trial.connection.keepsParts, true, "the connection does not keep parts");
}

function byText(left: unknown, right: unknown): number {
  return String(left) < String(right) ? -1 : 1;
}

/** All that a reader can see, for "nothing has changed". */
async function everything(trial: Trial): Promise<unknown> {
  const names = ["orders", "orders__items", ...Object.values(SYSTEM_TABLES)];
  return {
    rows: await Promise.all(names.map(async (name) => sorted((await trial.rows(DATASET, name)) as Row[]))),
    tables: await trial.connection.describe(names),
    state: await trial.connection.state("shop"),
  };
}

/**
 * The laws that every destination keeps: run each of them on a harness.
 *
 * @example
 * for (const law of destinationLaws) test(law.name, () => law.check(harness));
 */
export const destinationLaws: readonly DestinationLaw[] = Object.entries(LAWS).map(([name, prove]) => ({
  name,
  async check(harness) {
    const reason = harness.cannot?.[name];
    if (reason === undefined) {
      await onTrial(harness, prove);
      return;
    }
    const held = await onTrial(harness, prove).then(
      () => true,
      () => false,
    );
    assert.ok(!held, `${harness.name} keeps the law "${name}" although its harness says it can't: ${reason}`);
  },
}));
