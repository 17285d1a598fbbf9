import type { TableCounts } from "./destination.js";
import type { ErrorReport } from "./error.js";
import type { Completeness } from "./source.js";

/** The one document a run leaves behind (design §8, contract): `run --json` prints exactly this. */
export interface Report {
  readonly pipeline: string;
  readonly load_id: string;
  readonly status: "ok" | "partial" | "failed";
  readonly duration_ms: number;
  readonly peak_rss_bytes: number;
  readonly resources: Readonly<Record<string, ResourceReport>>;
  readonly tables: Readonly<Record<string, TableCounts>>;
  /** Human-readable and machine-stable: `calls: add column tags_count bigint`. */
  readonly schema_changes: readonly string[];
  /** What ended the run before or outside of any resource. */
  readonly error?: ErrorReport;
}

export interface ResourceReport {
  readonly status: "ok" | "failed" | "interrupted";
  readonly pages: number;
  /** Root rows committed. */
  readonly rows: number;
  readonly requests: number;
  readonly retries: number;
  readonly bytes: number;
  /** Milliseconds spent waiting between attempts, and for rate limits. */
  readonly wait_ms: number;
  readonly completeness: Completeness;
  /** Why: `total of 250 records reached`, `no next link`. Absent if the source gave no reason. */
  readonly completeness_reason?: string;
  readonly error?: ErrorReport;
}
