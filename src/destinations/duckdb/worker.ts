// The entry of DuckDB's thread (`thread.ts`). It imports what a connection needs and no more: it starts with every run.
import { parentPort, workerData } from "node:worker_threads";
import { serve } from "../../thread/host.js";
import type { ThreadData } from "../../thread/messages.js";
import { OPENS } from "../connection-in-thread.js";
import type { SqlValue } from "../sql/commit.js";
import { connectDuckdb } from "./connection.js";
import { type DatabaseOptions, loadDriver } from "./database.js";
import { queryRows } from "./query.js";

serve(
  parentPort!,
  {
    connect: (settings: DatabaseOptions, dataset: string) => connectDuckdb(settings, settings.path, dataset),
    query: (settings: DatabaseOptions, statement: string, values: readonly SqlValue[]) =>
      queryRows(settings, settings.path, statement, values),
  },
  OPENS,
  workerData as ThreadData,
);

// The thread may have been started before it is known what to open. What goes wrong is told by the first call.
loadDriver().catch(() => undefined);
