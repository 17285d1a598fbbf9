import type { Json } from "../../src/model/json.js";
import { answer, type FakeAnswer } from "../fake-api/behaviours.js";
import { type FakeApi, type SeenRequest, startFakeApi } from "../fake-api/fake-api.js";
import type { Random } from "./random.js";

/** How an API hands out its records. */
export type Walk = "header" | "page" | "offset";

/** What `client.paginator` is for each. */
export const PAGINATORS: Readonly<Record<Walk, string>> = {
  header: "{ type: header_cursor, cursor_key: X-Next, cursor_param: after }",
  page: "{ type: page_number, base_page: 1, total_path: pages }",
  offset: "{ type: offset, limit: 5, total_path: total }",
};

const PAGE = 5;

/** An API whose data changes once, from its first phase to its second; and that misbehaves on request. */
export interface Source {
  readonly url: string;
  phase: 1 | 2;
  /** How often a response goes wrong, in [0, 1], by this chance. */
  trouble: { readonly rate: number; readonly random: Random } | undefined;
  /** So many responses from now on are 503. */
  storm: number;
  close(): Promise<void>;
}

export async function startSource(): Promise<Source> {
  const api: FakeApi = await startFakeApi();
  const source: Source = {
    url: api.url,
    phase: 1,
    trouble: undefined,
    storm: 0,
    close: () => api.close(),
  };
  for (const walk of Object.keys(PAGINATORS) as Walk[]) {
    api.route(`/${walk}`, (request) => {
      if (source.storm > 0) {
        source.storm -= 1;
        return answer(503, { error: "overloaded" });
      }
      return troubled(serve(walk, source.phase, request), source.trouble);
    });
  }
  return source;
}

function serve(walk: Walk, phase: 1 | 2, request: SeenRequest): FakeAnswer {
  const asked = new URL(request.url, "http://source").searchParams;
  const since = asked.get("since") ?? "";
  const all = recordsOf(phase).filter(({ updated_at }) => updated_at >= since);
  const from = {
    header: () => Number(Buffer.from(asked.get("after") ?? "", "base64url").toString()),
    page: () => (Number(asked.get("page") ?? 1) - 1) * PAGE,
    offset: () => Number(asked.get("offset") ?? 0),
  }[walk]();
  const items = all.slice(from, from + PAGE) as unknown as Json;
  const next = from + PAGE < all.length ? Buffer.from(String(from + PAGE)).toString("base64url") : "";
  const headers: Record<string, string> = walk === "header" ? { "x-next": next } : {};
  return answer(200, { items, total: all.length, pages: Math.ceil(all.length / PAGE) }, headers);
}

/** A reset, a body that is cut off, or an error status, each of which a client gets over by asking again. */
function troubled(usual: FakeAnswer, trouble: Source["trouble"]): FakeAnswer {
  if (trouble === undefined || trouble.random() >= trouble.rate) return usual;
  const half = Math.floor(usual.body.length / 2);
  const troubles: readonly (() => FakeAnswer)[] = [
    () => ({ ...usual, delivery: { kind: "reset" } }),
    () => ({ ...usual, delivery: { kind: "cut", bytes: half } }),
    () => ({ ...usual, body: usual.body.subarray(0, half) }),
    () => answer(500, { error: "internal" }),
    () => answer(503, { error: "overloaded" }),
    () => answer(429, { error: "slow down" }),
  ];
  return troubles[Math.floor(trouble.random() * troubles.length)]!();
}

interface Item {
  readonly id: number;
  readonly updated_at: string;
  readonly [key: string]: unknown;
}

const FIRST = 28;
const SECOND = 38;

/**
 * The records, by `updated_at`. In the middle of each phase the schema changes: a column appears, an integer becomes a
 * fraction. In the second phase every third record of the first has changed, some are gone, and there are new ones.
 */
export function recordsOf(phase: 1 | 2): readonly Item[] {
  const ids = Array.from({ length: phase === 1 ? FIRST : SECOND }, (_, id) => id);
  return ids
    .filter((id) => phase === 1 || id % 10 !== 4)
    .map((id) => itemOf(id, phase === 2 && (id % 3 === 0 || id >= FIRST)))
    .sort((left, right) => left.updated_at.localeCompare(right.updated_at));
}

function itemOf(id: number, isChanged: boolean): Item {
  const minute = String(id).padStart(2, "0");
  return {
    id,
    updated_at: `2026-01-0${isChanged ? 2 : 1}T00:${minute}:00Z`,
    day: `day ${Math.floor(id / 7)}`,
    name: isChanged ? `item ${id}, changed` : `item ${id}`,
    size: isChanged && id % 2 === 0 ? id + 0.5 : id,
    ...(id >= 14 ? { note: `appears later, ${id}` } : {}),
    ...(isChanged && id >= 20 ? { extra: { flag: true } } : {}),
    tags: Array.from({ length: id % 4 }, (_, n) => ({
      tag: `tag ${n}`,
      marks: n % 2 === 0 ? [id, n, isChanged ? "changed" : "new"].map(String) : [],
    })),
  };
}
