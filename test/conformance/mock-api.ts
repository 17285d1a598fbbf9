import type { Json, JsonObject } from "../../src/index.js";
import { answer, type FakeAnswer } from "../fake-api/behaviours.js";
import { type FakeApi, type SeenRequest, startFakeApi } from "../fake-api/fake-api.js";

export const POSTS: readonly JsonObject[] = Array.from({ length: 25 }, (_, id) => ({
  id,
  title: `post ${id}`,
}));
const PAGE_SIZE = 5;

export function commentsOf(post: number, count = 50): readonly JsonObject[] {
  return Array.from({ length: count }, (_, id) => ({ id, post_id: post, body: `comment ${id} of ${post}` }));
}

/** The query parameters of a request. */
export function queryOf({ url }: Pick<SeenRequest, "url">): URLSearchParams {
  return new URL(url, "http://mock").searchParams;
}

/** Page `page` (from 1) as dlt's mock API answers: the records, where they are, and the way to the next ones. */
export function pageOf(
  records: readonly Json[],
  page: number,
  nextUrl: (page: number) => string = () => "",
): JsonObject {
  const total = Math.ceil(records.length / PAGE_SIZE);
  return {
    data: records.slice((page - 1) * PAGE_SIZE, page * PAGE_SIZE),
    page,
    total_pages: total,
    ...(page < total && nextUrl(page + 1) !== "" ? { next_page: nextUrl(page + 1) } : {}),
  };
}

/** A path that answers in pages by `?page=`, from 1, with absolute links. */
export function servePages(api: FakeApi, path: string, records: readonly Json[]): void {
  api.route(path, (request) => {
    const page = Number(queryOf(request).get("page") ?? 1);
    return answer(
      200,
      pageOf(records, page, (next) => `${api.url}${path}?page=${next}`),
    );
  });
}

/**
 * The API that dlt's own tests read (described in its acceptance cases): 25 posts, five a page, counted from 1; fifty
 * comments of each, ten pages; each post alone; and the same posts by other ways of paging.
 */
export async function startMockApi(): Promise<FakeApi> {
  const api = await startFakeApi();
  servePages(api, "/posts", POSTS);
  for (const post of POSTS) {
    const id = Number(post["id"]);
    api.route(`/posts/${id}`, () => answer(200, { ...post, body: `text ${id}` }));
    servePages(api, `/posts/${id}/comments`, commentsOf(id));
    // A resource that half of the posts have.
    api.route(`/posts/${id}/details`, () =>
      id % 2 === 0 ? answer(200, { post_id: id }) : answer(404, { error: "no details" }),
    );
  }
  const byPage = (route: (page: number, request: SeenRequest) => FakeAnswer, base = 1) => {
    return (request: SeenRequest) => route(Number(queryOf(request).get("page") ?? base) - base + 1, request);
  };
  const list = (page: number) => pageOf(POSTS, page)["data"] as readonly Json[];
  api.route("/posts_no_key", () => answer(200, POSTS));
  api.route("/posts_many_results", () => answer(200, { "many-results": POSTS }));
  api.route(
    "/posts_relative",
    byPage((page) =>
      answer(
        200,
        pageOf(POSTS, page, (next) => `?page=${next}`),
      ),
    ),
  );
  api.route(
    "/posts_header_link",
    byPage((page) =>
      answer(
        200,
        list(page),
        page < 5 ? { link: `<${api.url}/posts_header_link?page=${page + 1}>; rel="next"` } : {},
      ),
    ),
  );
  api.route(
    "/posts_header_cursor",
    byPage((page) => answer(200, list(page), page < 5 ? { cursor: String(page + 1) } : {})),
  );
  api.route(
    "/posts_zero_based",
    byPage((page) => answer(200, { data: list(page), page: page - 1, total_pages: 5 }), 0),
  );
  api.route("/posts_offset", (request) => {
    const offset = Number(queryOf(request).get("offset"));
    const limit = Number(queryOf(request).get("limit"));
    return answer(200, { data: POSTS.slice(offset, offset + limit), total_records: POSTS.length });
  });
  api.route("/posts_cursor", (request) => {
    const page = Number(queryOf(request).get("cursor") ?? 1);
    return answer(200, { data: list(page), cursors: { next: page < 5 ? String(page + 1) : null } });
  });
  api.route("/search/posts", (request) => {
    const body = request.body === "" ? {} : (JSON.parse(request.body) as JsonObject);
    const first = Number(body["ids_greater_than"] ?? -1) + 1;
    const from = first + 5 * (Number(body["page"] ?? 1) - 1) + Number(body["offset"] ?? 0);
    const data = POSTS.slice(from, from + 5);
    const last = Number(data.at(-1)?.["id"] ?? 24);
    return answer(200, { data, cursors: { next: last < 24 ? last : null }, total_pages: 5, total: 25 });
  });
  return api;
}
