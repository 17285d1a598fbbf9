/** A row as it can be compared: values as JSON knows them. */
export type Row = Readonly<Record<string, unknown>>;

/** A kind of destination in the matrix. */
export interface Place {
  readonly name: string;
  /** What `failpoints.mjs` watches in a run into it. */
  readonly drivers: string;
  /** Makes an empty home for a dataset. */
  create(): Promise<Home>;
  stop(): Promise<void>;
}

/** Where one dataset is: a file, a database, a folder. */
export interface Home {
  readonly uri: string;
  /** Variables of the environment that a run into it needs. */
  readonly env?: Readonly<Record<string, string>>;
  /** The same content in a home of its own; nobody has this one open. */
  copy(): Promise<Home>;
  /** Whatever readers see now: all rows of all tables of the dataset, system tables among them. Changes nothing. */
  tables(dataset: string): Promise<ReadonlyMap<string, readonly Row[]>>;
  /** What is there beside tables and must not be after a run that ended by itself. */
  leftovers(): Promise<readonly string[]>;
  drop(): Promise<void>;
}
