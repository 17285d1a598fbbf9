import {
  type Dataset,
  FIRST_ID,
  type Field,
  flatFields,
  itemsAt,
  type Range,
  type Scalar,
} from "./dataset.js";

/**
 * What must be in the tables after a load: rows, and sums over whole columns, by name. Sums of ids find lost and doubled
 * rows, lengths of texts damaged characters, instants wrong time zones. All are whole numbers.
 */
export type Sums = Readonly<Record<string, number>>;

/** The sums of these records, from the generator. */
export function expectedSums(dataset: Dataset, range: Range): Sums {
  const { from, rows, step, edition } = range;
  const whole = step === 1 ? Math.floor(rows / dataset.period) : 0;
  const rest = { ...range, rows: rows - whole * dataset.period };
  const periodic = whole === 0 ? {} : periodicSums(dataset, { ...range, rows: dataset.period });
  const lastOffset = rows * (rows - 1) * 0.5 * step;
  return addSums(addSums(times(periodic, whole), periodicSums(dataset, rest)), {
    "calls.rows": rows,
    "calls.ids": rows * from + lastOffset,
    "calls.duration": rows * edition,
  });
}

export function addSums(left: Sums, right: Sums, sign: 1 | -1 = 1): Sums {
  const sums: Record<string, number> = { ...left };
  for (const [name, sum] of Object.entries(right)) sums[name] = (sums[name] ?? 0) + sign * sum;
  return sums;
}

const times = (sums: Sums, factor: number): Sums =>
  Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum * factor]));

/** All that repeats with the dataset's period. */
function periodicSums(dataset: Dataset, { from, rows, step }: Range): Sums {
  const sums: Record<string, number> = {};
  const add = (name: string, value: number): void => void (sums[name] = (sums[name] ?? 0) + value);
  for (const name of sumNames(dataset)) add(name, 0);
  for (let row = 0; row < rows; row++) {
    const index = (from + row * step) % dataset.period;
    for (const field of summed(dataset)) add(sumName("calls", field), weight(field, field.value(index)));
    for (const list of dataset.lists) {
      add(`${list.name}.rows`, itemsAt(list, index).length);
      for (let position = 0; position < list.length(index); position++) {
        for (const field of list.fields) {
          add(sumName(list.name, field), weight(field, list.value(index, position, field)));
        }
      }
    }
  }
  return sums;
}

const sumNames = (dataset: Dataset): string[] => [
  ...summed(dataset).map((field) => sumName("calls", field)),
  ...dataset.lists.flatMap((list) => [
    `${list.name}.rows`,
    ...list.fields.map((field) => sumName(list.name, field)),
  ]),
];

/** The id depends on more than the period, and is summed apart. */
const summed = (dataset: Dataset): readonly Field[] =>
  flatFields(dataset).filter(({ name }) => name !== "id");

/** All texts of a table are one sum. */
const sumName = (table: string, { name, type }: Field): string =>
  `${table}.${type === "text" ? "text" : name}`;

/** 2024-01-01 in milliseconds: sums of ten million instants since then are exact in a double. */
const SINCE = 1_704_067_200_000;

function weight({ type }: Field, value: Scalar): number {
  if (value === null) return 0;
  if (type === "text") return String(value).length;
  if (type === "timestamp") return Date.parse(String(value)) - SINCE;
  return type === "double" ? Number(value) * 64 : Number(value);
}

/** One query for each table, in SQL that DuckDB and PostgreSQL understand; its columns are the names of the sums. */
export function sumQueries(dataset: Dataset, tableOf: (name: string) => string): string[] {
  const id = dataset.beforeId.endsWith(":") ? "id" : "cast(substr(id, 4) as bigint)";
  const root = [`count(*) as "calls.rows"`, `sum(${id} - ${FIRST_ID}) as "calls.ids"`];
  return [
    `select ${[...root, ...columnSums("calls", summed(dataset))].join(", ")} from ${tableOf("calls")}`,
    ...dataset.lists.map(({ name, fields }) => {
      const sums = [`count(*) as "${name}.rows"`, ...columnSums(name, fields)];
      return `select ${sums.join(", ")} from ${tableOf(`calls__${name}`)}`;
    }),
  ];
}

function columnSums(table: string, fields: readonly Field[]): string[] {
  const terms = new Map<string, string[]>();
  for (const field of fields) {
    const name = sumName(table, field);
    terms.set(name, [...(terms.get(name) ?? []), `coalesce(sum(${SQL_WEIGHTS[field.type](field.name)}), 0)`]);
  }
  return [...terms].map(([name, sums]) => `${sums.join(" + ")} as "${name}"`);
}

const SQL_WEIGHTS: Readonly<Record<Field["type"], (column: string) => string>> = {
  text: (column) => `length(${column})`,
  bigint: (column) => column,
  double: (column) => `cast(${column} * 64 as bigint)`,
  boolean: (column) => `case when ${column} then 1 else 0 end`,
  timestamp: (column) => `cast(round(extract(epoch from ${column}) * 1000) as bigint) - ${SINCE}`,
};

/** @throws Error that names the first sum that is not as expected. */
export function checkSums(found: Sums, expected: Sums, where: string): void {
  for (const [name, sum] of Object.entries(expected)) {
    if (found[name] !== sum) throw new Error(`${where}: ${name} is ${found[name]} instead of ${sum}`);
  }
}
