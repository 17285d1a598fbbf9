import type { TableCounts } from "./destination.js";
import type { ErrorReport } from "./error.js";
import type { Report } from "./report.js";
import type { Completeness } from "./source.js";
import type { SchemaChange } from "./table.js";

/**
 * Everything the core says while it works; it prints nothing. Rendering, the report and tests read these. Strings in
 * events are redacted before anyone sees them.
 */
export type Event =
  | {
      readonly type: "run-started";
      readonly pipeline: string;
      readonly resources: readonly string[];
    }
  /**
   * The pipeline is held and its state is read. When a load that was cut short goes on, `continued` names the resources
   * that were complete in it: they are not read again.
   */
  | {
      readonly type: "load-started";
      readonly loadId: string;
      readonly continued: readonly { readonly resource: string; readonly completeness: Completeness }[];
    }
  | { readonly type: "resource-started"; readonly resource: string; readonly resumed: boolean }
  /** A request leaves. `attempt` counts from 1. */
  | {
      readonly type: "request";
      readonly resource: string;
      readonly method: string;
      readonly url: string;
      readonly attempt: number;
    }
  /** A request failed and is sent again after `waitMs`. */
  | {
      readonly type: "retry";
      readonly resource: string;
      readonly url: string;
      readonly reason: string;
      readonly waitMs: number;
      readonly attempt: number;
    }
  /**
   * A request has to wait before it leaves: for a configured limit, or because the API said so. `waitMs`
   * is what is known when the wait begins; one that gets longer is told again, so that the sum is the whole wait.
   */
  | {
      readonly type: "wait";
      readonly resource: string;
      readonly origin: string;
      readonly waitMs: number;
      readonly reason: string;
    }
  /** A page was read and normalized. */
  | { readonly type: "page"; readonly resource: string; readonly rows: number; readonly bytes: number }
  | { readonly type: "schema-change"; readonly resource: string; readonly change: SchemaChange }
  | {
      readonly type: "commit";
      readonly resource: string;
      readonly package: string;
      readonly rows: number;
      readonly tables: Readonly<Record<string, TableCounts>>;
    }
  | { readonly type: "warning"; readonly resource?: string; readonly code: string; readonly message: string }
  | {
      readonly type: "resource-finished";
      readonly resource: string;
      readonly status: "ok" | "failed" | "interrupted";
      readonly completeness: Completeness;
      /** The reason for `completeness`, if the source gave one. */
      readonly why?: string;
      readonly error?: ErrorReport;
    }
  | { readonly type: "run-finished"; readonly report: Report };
