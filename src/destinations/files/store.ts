/**
 * Where files are kept: a folder, or a bucket. All that the protocol of the manifest relies on is here, and of that only
 * `putIfAbsent` has to be more than a copy. Names are relative, with `/`.
 */
export interface Store {
  /** Where a file is, for people and for the programs of readers: a path or a URL. */
  place(name: string): string;
  /** The text of a file; undefined when it is not there. */
  get(name: string): Promise<string | undefined>;
  /** The text of a file as far as it can be told at once, for a hint. */
  recall(name: string): string | undefined;
  /** Writes a whole file at once: whoever reads it sees the old text or the new one. */
  put(name: string, text: string): Promise<void>;
  /**
   * As `put`, but only if the file is not there; false when it is. Of any number of callers one gets true. A text says
   * who wrote it: an answer that was lost is found out by reading.
   */
  putIfAbsent(name: string, text: string): Promise<boolean>;
  /**
   * Has `fill` write a new file at a path of this machine and keeps it under `name`, safe from a power cut; tells its
   * size in bytes.
   */
  write(name: string, fill: (path: string) => Promise<void>): Promise<number>;
  /** Has `use` read files at paths of this machine, which are theirs until it has ended. */
  read<T>(names: readonly string[], use: (path: (name: string) => string) => Promise<T>): Promise<T>;
  /** All files whose names begin so, in no order. */
  list(prefix: string): Promise<readonly StoredFile[]>;
  /** Removes a file; one that is not there is no error. */
  remove(name: string): Promise<void>;
  /** A folder of this machine for what DuckDB has no memory for. */
  readonly scratch: string;
}

export interface StoredFile {
  readonly name: string;
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly modifiedAt: number;
}
