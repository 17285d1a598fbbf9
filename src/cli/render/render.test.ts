import { describe, expect, test } from "vitest";
import { duckdb, type ErrorReport, type Event, type Report } from "../../api.js";
import { SluiceError } from "../../model/error.js";
import { renderError } from "./error.js";
import { createLiveRenderer } from "./live.js";
import { createPlainRenderer } from "./plain.js";
import type { Renderer } from "./renderer.js";
import { renderSummary } from "./summary.js";

const ESC = "\u001b";
const error: ErrorReport = {
  code: "http/status",
  kind: "source",
  message: "GET /users answered 404",
  at: { resource: "users", request: "GET https://api.example.com/users" },
  hint: "Check endpoint.path.",
};
const counts = (inserted: number) => ({ inserted, updated: 0, deleted: 0, rejected: 0 });

const STORY: readonly [number, Event][] = [
  [0, { type: "run-started", pipeline: "p", resources: ["calls", "users"] }],
  [0, { type: "resource-started", resource: "calls", resumed: false }],
  [0, { type: "resource-started", resource: "users", resumed: true }],
  [10, { type: "request", resource: "calls", method: "GET", url: "https://x/calls", attempt: 1 }],
  [500, { type: "page", resource: "calls", rows: 1200, bytes: 5000 }],
  [
    600,
    {
      type: "retry",
      resource: "users",
      url: "https://x/users",
      reason: `status 429${ESC}[2J`,
      waitMs: 4000,
      attempt: 1,
    },
  ],
  [700, { type: "warning", resource: "calls", code: "w", message: `odd\r${ESC}[31mthing` }],
  [900, { type: "commit", resource: "calls", package: "k", rows: 1200, tables: { calls: counts(1200) } }],
  [1000, { type: "resource-finished", resource: "calls", status: "ok", completeness: "proved" }],
  [4700, { type: "request", resource: "users", method: "GET", url: "https://x/users", attempt: 2 }],
  [5000, { type: "resource-finished", resource: "users", status: "failed", completeness: "unknown", error }],
];

/** A clock that is set, a timer that is called, and everything that was written. */
function stage(columns = 100, rows = 24) {
  const written: string[] = [];
  const timers = new Set<() => void>();
  const clock = { at: 0 };
  const options = {
    write: (text: string) => written.push(text),
    now: () => clock.at,
    color: false,
    size: () => ({ columns, rows }),
    every(_ms: number, action: () => void) {
      timers.add(action);
      return () => timers.delete(action);
    },
  };
  const play = (renderer: Renderer, story = STORY): void => {
    for (const [at, event] of story) {
      clock.at = at;
      renderer.event(event);
    }
  };
  return { written, timers, clock, options, play, tick: () => timers.forEach((action) => action()) };
}

test("a wait for a rate limit is shown while it lasts, and logged if it is long", () => {
  const wait = (waitMs: number): [number, Event] => [
    100,
    { type: "wait", resource: "calls", origin: "https://x", waitMs, reason: "rate limit of 9 per 60 s" },
  ];
  const { options, written, play } = stage();
  play(createPlainRenderer(options), [...STORY.slice(0, 2), wait(4000), wait(12_000)]);
  expect(written.filter((line) => line.includes("rate limit"))).toEqual([
    "calls: waits 12 s: rate limit of 9 per 60 s\n",
  ]);
  const live = stage();
  const renderer = createLiveRenderer(live.options);
  live.play(renderer, [...STORY.slice(0, 2), wait(12_000)]);
  live.tick();
  expect(live.written.at(-1)).toContain("waits 12 s: rate limit of 9 per 60 s");
  live.play(renderer, [STORY[3]!]);
  live.tick();
  expect(live.written.at(-1)).not.toContain("waits");
});

describe("plain", () => {
  test("one line per start, commit, retry, warning and finish", () => {
    const { options, written, play } = stage();
    const renderer = createPlainRenderer(options);
    play(renderer);
    renderer.note("stopping");
    renderer.close();
    expect(written.join("")).toBe(
      [
        "calls: started",
        "users: started, goes on from the last commit",
        "users: retry 1 in 4 s: status 429 [2J",
        "calls: warning: odd  [31mthing",
        "calls: committed 1,200 rows",
        "calls: done, 1,200 rows, 1 page, 1 s",
        "users: failed (http/status) after 0 rows, 0 pages, 5 s, 1 retry",
        "stopping",
        "",
      ].join("\n"),
    );
  });

  test("doubts about completeness are said", () => {
    const { options, written, play } = stage();
    play(createPlainRenderer(options), [
      [0, { type: "resource-started", resource: "calls", resumed: false }],
      [0, { type: "resource-finished", resource: "calls", status: "ok", completeness: "likely" }],
    ]);
    expect(written.at(-1)).toBe("calls: done, 0 rows, 0 pages, 0 ms, completeness likely\n");
  });
});

describe("live", () => {
  test("hides the cursor, draws on ticks only, redraws over the old lines, gives the cursor back", () => {
    const { options, written, clock, play, tick, timers } = stage();
    const renderer = createLiveRenderer(options);
    expect(written).toEqual([`${ESC}[?25l`]);
    play(renderer, STORY.slice(0, 7));
    expect(written).toHaveLength(1);

    tick();
    expect(written[1]).toBe(
      [
        "calls: warning: odd  [31mthing",
        "⠧ calls  1 page   1,200 rows   1,714 rows/s",
        "⏸ users  0 pages   0 rows   0 rows/s   1 retry   waits 4 s: status 429 [2J",
        "",
      ].join("\n"),
    );
    clock.at = 2600;
    tick();
    expect(written[2]).toMatch(
      new RegExp(`^${ESC}\\[2A${ESC}\\[0J`.replaceAll("[", "\\[").replaceAll("\\\\[", "\\[")),
    );
    expect(written[2]).toContain("waits 2 s: status 429");
    expect(written[2]).not.toContain("warning");

    play(renderer, STORY.slice(7));
    renderer.close();
    renderer.close();
    expect(written[3]).toContain("✔ calls  done, 1,200 rows, 1 page, 1 s\n");
    expect(written[3]).toContain("✖ users  failed (http/status) after 0 rows, 0 pages, 5 s, 1 retry\n");
    expect(written.slice(4)).toEqual([`${ESC}[?25h`]);
    expect(timers.size).toBe(0);
  });

  test("nothing is drawn while nothing changes", () => {
    const { options, written, play, tick } = stage();
    const renderer = createLiveRenderer(options);
    play(renderer);
    tick();
    const drawn = written.length;
    tick();
    tick();
    expect(written).toHaveLength(drawn);
  });

  test("a note appears above the picture at once", () => {
    const { options, written, play } = stage();
    const renderer = createLiveRenderer(options);
    play(renderer, STORY.slice(0, 2));
    renderer.note("stopping after the current commit");
    expect(written[1]?.split("\n")[0]).toBe("stopping after the current commit");
  });

  test("lines never wrap, and never outgrow the terminal", () => {
    const { options, written, play, tick } = stage(40, 6);
    const many = Array.from({ length: 30 }, (_, index) => `resource_with_a_long_name_${index}`);
    const renderer = createLiveRenderer(options);
    play(renderer, [
      [0, { type: "run-started", pipeline: "p", resources: many }],
      [0, { type: "resource-started", resource: many[29]!, resumed: false }],
      [9, { type: "page", resource: many[29]!, rows: 5, bytes: 5 }],
    ]);
    tick();
    const lines = written[1]!.trimEnd().split("\n");
    expect(lines).toHaveLength(4);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(40);
    expect(lines[0]).toContain("resource_with_a_long_name_29");
    expect(lines[3]).toContain("… and 27 more");
  });

  test("colours only where they are wanted", () => {
    const { options, written, play, tick } = stage();
    const renderer = createLiveRenderer({ ...options, color: true });
    play(renderer);
    tick();
    expect(written[1]).toContain(`${ESC}[32m✔${ESC}[39m ${ESC}[1mcalls${ESC}[22m`);
    expect(written[1]).not.toContain(`${ESC}[2J`);
  });
});

const REPORT: Report = {
  pipeline: "call_analytics",
  load_id: "1",
  status: "partial",
  duration_ms: 12_345,
  peak_rss_bytes: 123_456_789,
  resources: {
    calls: {
      status: "ok",
      pages: 13,
      rows: 1250,
      requests: 15,
      retries: 2,
      bytes: 1_500_000,
      wait_ms: 4000,
      completeness: "proved",
    },
  },
  tables: {
    calls__tags: counts(3),
    calls: { inserted: 1000, updated: 250, deleted: 0, rejected: 1 },
  },
  schema_changes: ["calls: add column tags_count bigint"],
};

describe("summary", () => {
  const pipeline = {
    dataset: "call_analytics",
    destination: duckdb("call_analytics.duckdb"),
  };

  test("tables, resources, schema changes, and how to look at the rows", async () => {
    expect(await renderSummary(REPORT, pipeline, { color: false })).toBe(
      `table        inserted  updated  deleted  rejected
calls           1,000      250        0         1
calls__tags         3        0        0         0

resource  status  pages   rows  requests  retries  waited  received  complete
calls     ok         13  1,250        15        2     4 s    1.5 MB  proved

schema changes
  calls: add column tags_count bigint

partial  call_analytics, 12.3 s, 123 MB memory

Look at it:  duckdb call_analytics.duckdb "select * from call_analytics.call_analytics.calls limit 5"
`,
    );
  });

  test("awkward names are quoted for SQL and for the shell", async () => {
    const awkward = { dataset: "Call $ome", destination: duckdb("my data/x.duckdb") };
    expect(await renderSummary(REPORT, awkward, { color: false })).toContain(
      String.raw`duckdb "my data/x.duckdb" "select * from \"Call \$ome\".calls limit 5"`,
    );
  });

  test("a run that loaded nothing has no tables and no query", async () => {
    const empty = { ...REPORT, status: "failed", resources: {}, tables: {}, schema_changes: [] } as const;
    expect(await renderSummary(empty, pipeline, { color: false })).toBe(
      "failed  call_analytics, 12.3 s, 123 MB memory\n",
    );
  });
});

describe("error", () => {
  const titleOf = (code: string) =>
    code === "http/status" ? "The API answered with an error status" : undefined;

  test("code, what, where, what to do", () => {
    expect(renderError(error, { color: false, titleOf })).toBe(
      `error http/status  The API answered with an error status
  what   GET /users answered 404
  where  resource users
         GET https://api.example.com/users
  to do  Check endpoint.path.
  more   sluice explain http/status
`,
    );
  });

  test("places that the message names are not repeated; lines are kept, control characters are not", () => {
    const config: ErrorReport = {
      code: "config/invalid",
      kind: "config",
      message: `2 problems in a.yaml\n  a.yaml:1  x: no${ESC}[2J\n  a.yaml:2  y: no`,
      at: { file: "a.yaml" },
    };
    expect(renderError(config, { color: false, titleOf })).toBe(
      `error config/invalid
  what   2 problems in a.yaml
           a.yaml:1  x: no [2J
           a.yaml:2  y: no
  more   sluice explain config/invalid
`,
    );
  });

  test("a debug stack has places and names, never the messages of foreign errors", () => {
    const cause = new TypeError("token s3cr3t\n    at s3cr3t-line-of-a-body");
    const thrown = new SluiceError("internal/bug", "it broke", { cause });
    const text = renderError(thrown.toReport(), { color: false, titleOf, thrown });
    expect(text).toContain("cause  TypeError");
    expect(text).toMatch(/ {4}at .*render\.test\.ts:\d+/);
    expect(text).not.toContain("token s3cr3t");
    expect(renderError(thrown.toReport(), { color: false, titleOf })).not.toContain("    at ");
  });
});
