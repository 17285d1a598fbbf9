// A process that loads a pipeline and is killed as soon as the database has answered one of its commits, before it can
// act on the answer: node scripts/run-ts.mjs test/run/killed-load.ts '{"destination": …, "url": …, "commit": 2}'
import { type Destination, duckdb, postgres, restApi, run } from "sluice";
import type { Stage } from "../../src/model/destination.js";

export interface KilledLoad {
  /** A DuckDB file, or the URI of a PostgreSQL database. */
  readonly destination: string;
  /** The API; its `/items` are linked pages. */
  readonly url: string;
  /** The commit after which it ends, from 1. */
  readonly commit: number;
}

/** One record in each page, one page in each commit. */
export function itemsPipeline(destination: Destination, url: string) {
  const paginator = { type: "header_link" } as const;
  return {
    pipeline: "p",
    checkpoint: { rows: 1 },
    source: restApi({
      client: { base_url: url },
      resources: [{ name: "items", endpoint: { path: "items", paginator } }],
    }),
    destination,
  };
}

function dying(destination: Destination, last: number): Destination {
  let commits = 0;
  const dyingStage = (stage: Stage): Stage => ({
    write: (batch) => stage.write(batch),
    async commit(pkg) {
      const receipt = await stage.commit(pkg);
      commits += 1;
      if (commits === last) process.kill(process.pid, "SIGKILL");
      return receipt;
    },
    [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose](),
  });
  return {
    ...destination,
    async connect(dataset, signal) {
      const connection = await destination.connect(dataset, signal);
      return {
        acquire: (pipeline) => connection.acquire(pipeline),
        state: (pipeline) => connection.state(pipeline),
        describe: (tables) => connection.describe(tables),
        remember: (pipeline, key, value) => connection.remember(pipeline, key, value),
        resetState: (pipeline, resources) => connection.resetState(pipeline, resources),
        stage: async (plan) => dyingStage(await connection.stage(plan)),
        [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
      };
    },
  };
}

const given = process.argv[2];
// The test imports this file too.
if (given !== undefined && given.startsWith("{")) {
  const { destination, url, commit } = JSON.parse(given) as KilledLoad;
  const place = destination.startsWith("postgres:") ? postgres(destination) : duckdb(destination);
  await run(itemsPipeline(dying(place, commit), url));
}
