import { gunzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import {
  always,
  answer,
  asUsual,
  type Behaviour,
  drip,
  endlessLoop,
  gzipped,
  html,
  linksTo,
  loopOfTwo,
  malformed,
  redirect,
  relativeLinks,
  repeatedLastPage,
  reset,
  shifted,
  status,
  tooManyRequests,
  truncated,
} from "./behaviours.js";
import { type Dataset, type FakeApi, type FakeApiOptions, startFakeApi } from "./fake-api.js";

const records = [1, 2, 3, 4, 5].map((id) => ({ id }));
const open: FakeApi[] = [];

async function api(dataset: Partial<Dataset> = {}, behaviours: Behaviour[] = [], options?: FakeApiOptions) {
  const started = await startFakeApi(options);
  open.push(started);
  started.route("/items", { records, pageSize: 2, ...dataset });
  started.behave("/items", ...behaviours);
  return started;
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((started) => started.close()));
});

async function json(url: string): Promise<{ [key: string]: unknown }> {
  return (await (await fetch(url)).json()) as { [key: string]: unknown };
}

/** The ids of each page of a walk along `next` links in the body, at most six pages. */
async function walk(started: FakeApi): Promise<number[][]> {
  const pages: number[][] = [];
  let url: string | null = `${started.url}/items`;
  while (url !== null && pages.length < 6) {
    const body = await json(url);
    pages.push((body["data"] as { id: number }[]).map(({ id }) => id));
    url = body["next"] as string | null;
  }
  return pages;
}

describe("paging", () => {
  it("gives all records at once without paging", async () => {
    const { url } = await api();
    expect(await json(`${url}/items`)).toEqual(records);
  });

  it("keeps other parameters in Link headers, and has none to the next page on the last one", async () => {
    const { url } = await api({ paging: "link-header", envelope: "items" });
    const first = await fetch(`${url}/items?q=a`);
    expect(first.headers.get("link")).toBe(
      `<${url}/items?q=a&page=1>; rel="first", <${url}/items?q=a&page=2>; rel="next"`,
    );
    expect(await first.json()).toEqual({ items: records.slice(0, 2) });
    const last = await fetch(`${url}/items?page=3`);
    expect(last.headers.get("link")).toBe(`<${url}/items?page=1>; rel="first"`);
  });

  it("walks along next links in the body", async () => {
    expect(await walk(await api({ paging: "next-url" }))).toEqual([[1, 2], [3, 4], [5]]);
  });

  it("takes its cursor back", async () => {
    const { url } = await api({ paging: "cursor" });
    const { next_cursor: cursor } = await json(`${url}/items`);
    const second = await json(`${url}/items?cursor=${String(cursor)}`);
    expect(second["data"]).toEqual(records.slice(2, 4));
    expect(await json(`${url}/items?cursor=${String(second["next_cursor"])}`)).toEqual({
      next_cursor: null,
      data: records.slice(4),
    });
  });

  it("counts pages, and is empty beyond the end", async () => {
    const { url } = await api({ paging: "page" });
    expect(await json(`${url}/items?page=3`)).toEqual({ page: 3, total_pages: 3, data: records.slice(4) });
    expect(await json(`${url}/items?page=4`)).toEqual({ page: 4, total_pages: 3, data: [] });
  });

  it("takes offsets, and smaller pages when asked", async () => {
    const { url } = await api({ paging: "offset" });
    expect(await json(`${url}/items?offset=1&limit=1`)).toEqual({ offset: 1, total: 5, data: [{ id: 2 }] });
    expect((await json(`${url}/items?limit=9`))["data"]).toHaveLength(2);
  });
});

describe("behaviours", () => {
  it("follows a script, then works as usual", async () => {
    const { url } = await api({}, [status(500), asUsual, status(503)]);
    const statuses = [];
    for (let i = 0; i < 4; i++) statuses.push((await fetch(`${url}/items`)).status);
    expect(statuses).toEqual([500, 200, 503, 200]);
  });

  it("stays with an `always` from its turn on", async () => {
    const { url } = await api({}, [asUsual, always(status(500))]);
    const statuses = [];
    for (let i = 0; i < 3; i++) statuses.push((await fetch(`${url}/items`)).status);
    expect(statuses).toEqual([200, 500, 500]);
  });

  it("asks to wait in seconds, until a date, or not at all", async () => {
    const date = new Date(Date.UTC(2030, 0, 2));
    const { url } = await api({}, [tooManyRequests(7), tooManyRequests(date), tooManyRequests()]);
    const waits = [];
    for (let i = 0; i < 3; i++) waits.push((await fetch(`${url}/items`)).headers.get("retry-after"));
    expect(waits).toEqual(["7", "Wed, 02 Jan 2030 00:00:00 GMT", null]);
  });

  it("resets the connection", async () => {
    const { url } = await api({}, [reset]);
    const error = await fetch(`${url}/items`).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ cause: { code: "ECONNRESET" } });
  });

  it("announces more bytes than it sends", async () => {
    const { url } = await api({}, [truncated]);
    const response = await fetch(`${url}/items`);
    expect(Number(response.headers.get("content-length"))).toBe(JSON.stringify(records).length);
    await expect(response.text()).rejects.toThrow("terminated");
  });

  it("sends broken JSON and HTML with status 200", async () => {
    const { url } = await api({}, [malformed, html]);
    const broken = await fetch(`${url}/items`);
    expect([broken.status, await broken.text()]).toEqual([200, JSON.stringify(records).slice(0, -1)]);
    const page = await fetch(`${url}/items`);
    expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
  });

  it("compresses", async () => {
    const started = await api({}, [gzipped]);
    const response = await fetch(`${started.url}/items`);
    expect(response.headers.get("content-encoding")).toBe("gzip");
    expect(await response.json()).toEqual(records);
    const body = gzipped.answer?.(answer(200, records)).body ?? Buffer.alloc(0);
    expect(gunzipSync(body).toString()).toBe(JSON.stringify(records));
  });

  it("drips", async () => {
    const { url } = await api({}, [drip(4, 20)]);
    const before = performance.now();
    expect(await json(`${url}/items`)).toEqual(records);
    expect(performance.now() - before).toBeGreaterThan(55);
  });

  it("redirects, here and elsewhere", async () => {
    const other = await api();
    const { url } = await api({}, [redirect("/other"), redirect(`${other.url}/items`, 307)]);
    const here = await fetch(`${url}/items`, { redirect: "manual" });
    expect([here.status, here.headers.get("location")]).toEqual([302, "/other"]);
    expect(await json(`${url}/items`)).toEqual(records);
    expect(other.requests).toHaveLength(1);
  });

  it("goes in circles", async () => {
    expect(await walk(await api({ paging: "next-url" }, [endlessLoop]))).toEqual([
      [1, 2],
      [3, 4],
      [3, 4],
      [3, 4],
      [3, 4],
      [3, 4],
    ]);
    expect(await walk(await api({ paging: "next-url" }, [loopOfTwo]))).toEqual([
      [1, 2],
      [3, 4],
      [1, 2],
      [3, 4],
      [1, 2],
      [3, 4],
    ]);
  });

  it("repeats the last page for ever", async () => {
    const pages = await walk(await api({ paging: "next-url" }, [repeatedLastPage]));
    expect(pages).toEqual([[1, 2], [3, 4], [5], [5], [5], [5]]);
  });

  it("shifts records between pages", async () => {
    const started = await api({ paging: "next-url" }, [asUsual, shifted({ id: 0 })]);
    expect(await walk(started)).toEqual([
      [1, 2],
      [2, 3],
      [4, 5],
    ]);
  });

  it("gives relative links and links to elsewhere", async () => {
    const relative = await api({ paging: "next-url" }, [relativeLinks]);
    expect((await json(`${relative.url}/items`))["next"]).toBe("/items?after=2");
    const foreign = await api({ paging: "next-url" }, [linksTo("https://other.example")]);
    expect((await json(`${foreign.url}/items`))["next"]).toBe("https://other.example/items?after=2");
  });
});

describe("server", () => {
  it("records what it was asked, and refuses whom it does not accept", async () => {
    const started = await api({}, [], { accepts: ({ headers }) => headers["x-key"] === "k" });
    expect((await fetch(`${started.url}/items`)).status).toBe(401);
    await fetch(`${started.url}/items?a=%20`, { method: "POST", body: "b", headers: { "x-key": "k" } });
    expect(started.requests[1]).toMatchObject({
      method: "POST",
      url: "/items?a=%20",
      headers: { "x-key": "k" },
      body: "b",
    });
  });

  it("takes handlers, and knows no other path", async () => {
    const started = await api();
    started.route("/echo", ({ url }) => answer(201, { url }, { "x-a": "b" }));
    const response = await fetch(`${started.url}/echo?q`);
    expect([response.status, response.headers.get("x-a"), await response.json()]).toEqual([
      201,
      "b",
      { url: "/echo?q" },
    ]);
    expect((await fetch(`${started.url}/nothing`)).status).toBe(404);
  });
});
