import type { Cost } from "../measure.js";

/** What a case needs of the runner. */
export interface Bench {
  /** Times that each program is run. */
  readonly rounds: number;
  /** Divides the rows of a case, to try things out; 1 for a result. */
  readonly shrink: number;
  /** Words of which a contestant's name must hold one; all if there are none. */
  readonly only: readonly string[];
  /** An empty folder for this case. */
  readonly folder: string;
  /** An empty database on a PostgreSQL server of the benchmark. */
  postgres(): Promise<string>;
  progress(line: string): void;
  /** Says so, and makes the benchmark end with status 1. */
  failed(what: string, error: unknown): void;
}

export interface Case {
  readonly name: string;
  readonly run: (bench: Bench) => Promise<Outcome>;
}

/** A table of figures, as it is printed; `samples` has every run for the JSON file. */
export interface Outcome {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly notes: readonly string[];
  readonly samples: Readonly<Record<string, readonly Cost[]>>;
}

export const megabytes = (bytes: number): string => String(Math.round(bytes / 1e6));

export const thousands = (value: number): string => Math.round(value).toLocaleString("en-US");

export const ratio = (value: number, to: number | undefined): string =>
  to === undefined || !Number.isFinite(value / to) ? "" : (value / to).toFixed(2);
