import assert from "node:assert/strict";
import type { ZodType } from "zod";
import type { HttpRequest } from "../../src/http/message.js";
import type { Json } from "../../src/model/json.js";
import type {
  Next,
  PageView,
  Paginator,
  PaginatorDefinition,
  PaginatorExample,
} from "../../src/rest/paginator.js";

/** A sentence that holds for every paginator, and its proof on the definition's own examples. */
export interface PaginatorLaw {
  readonly name: string;
  /** Throws if the law does not hold. */
  check(definition: PaginatorDefinition): void;
}

/** What an example's first request is made from: its URL without the query, which is the paginator's to add. */
function requestOf(example: Example): HttpRequest {
  const [url = ""] = example.first.split("?");
  return { method: "GET", url, headers: HEADERS, ...bodyOf(example.body) };
}

function bodyOf(value: Json | undefined): Pick<HttpRequest, "body"> {
  return value === undefined ? {} : { body: { kind: "json", value } };
}

const HEADERS = { accept: "application/json", "x-team": "7" };

const CONTEXT = { config: { account: "ACC1" }, parameters: {}, secrets: {} };

type Example = PaginatorExample<unknown>;
type Step = Example["steps"][number];
/** A place in a walk. */
type At = Pick<PageView, "request" | "memo">;

/**
 * The laws, to be run for each paginator. Of its examples they make walks: the first request is made from a GET of the
 * example's first URL without its query, and a step with `records: 2` has the records `{ id: 1 }` and `{ id: 2 }`.
 *
 * @example
 * for (const law of paginatorLaws) test(law.name, () => law.check(myPaginator));
 */
export const paginatorLaws: readonly PaginatorLaw[] = [
  {
    name: "has at least two examples",
    check(definition) {
      assert.ok(
        definition.examples.length >= 2,
        `${definition.type} has ${definition.examples.length} examples; two are needed`,
      );
    },
  },
  {
    name: "refuses unknown options",
    check(definition) {
      for (const { title, options } of definition.examples) {
        const parsed = definition.options.safeParse({ ...(options as object), no_such_option: 1 });
        assert.ok(!parsed.success, `${title}: the option no_such_option is accepted; use z.strictObject`);
      }
    },
  },
  {
    name: "describes every option",
    check(definition) {
      const shape = (definition.options as { shape?: Record<string, ZodType> }).shape;
      assert.ok(shape !== undefined, "options must be a z.strictObject");
      for (const [name, option] of Object.entries(shape)) {
        assert.ok((option.description ?? "").length > 0, `the option ${name} has no description`);
      }
    },
  },
  {
    name: "does what its examples say",
    check: forEachExample((definition, example) => {
      const paginator = create(definition, example);
      const first = paginator.first(requestOf(example));
      assert.equal(first.url, example.first, "the first request");
      assert.deepEqual(first.body, bodyOf(example.firstBody).body, "the first request's body");
      let at: At = { request: first };
      for (const [index, step] of example.steps.entries()) {
        const next = paginator.next(pageOf(paginator, at, step));
        const wanted = { next: step.next, body: bodyOf(step.nextBody).body, end: step.end };
        assert.deepEqual(told(next), wanted, `after step ${index + 1}`);
        if ("request" in next) at = next;
      }
    }),
  },
  {
    name: "ends",
    check: forEachExample((_, { steps }) => {
      for (const [index, { next, end }] of steps.entries()) {
        const isLast = index === steps.length - 1;
        assert.ok(
          isLast ? end !== undefined && next === undefined : end === undefined,
          `step ${index + 1}: the last one ends, and no other`,
        );
      }
    }),
  },
  {
    name: "says why it ends",
    check: forEachExample((definition, example) => {
      const last = walk(definition, example).at(-1)?.next;
      assert.ok(last !== undefined && !("request" in last) && last.why.length > 0, "the end has no reason");
    }),
  },
  {
    name: "changes nothing that it is given",
    check: forEachExample((definition, example) => {
      const paginator = create(definition, example);
      let at: At = { request: paginator.first(deepFreeze(structuredClone(requestOf(example)))) };
      for (const step of example.steps) {
        const next = paginator.next(deepFreeze(pageOf(paginator, structuredClone(at), step)));
        if ("request" in next) at = next;
      }
    }),
  },
  {
    name: "gives the same for the same",
    check: forEachExample((definition, example) => {
      const paginator = create(definition, example);
      assert.deepEqual(paginator.first(requestOf(example)), paginator.first(requestOf(example)));
      for (const { page } of walk(definition, example)) {
        const once = paginator.next(page);
        assert.deepEqual(paginator.next(page), once, "asked twice in a row");
      }
      // Backwards: what it answered before must not matter.
      for (const { page, next } of walk(definition, example).toReversed()) {
        assert.deepEqual(paginator.next(page), next, "asked in another order");
      }
    }),
  },
  {
    name: "is continued by another one from a request that was stored as JSON",
    check: forEachExample((definition, example) => {
      for (const { page, next } of walk(definition, example)) {
        const { request, memo } = page;
        const stored = JSON.parse(JSON.stringify({ request, ...(memo === undefined ? {} : { memo }) })) as At;
        assert.deepEqual(create(definition, example).next({ ...page, ...stored }), next);
        assert.deepEqual(JSON.parse(JSON.stringify(next)), next, "the request is not plain JSON");
      }
    }),
  },
  {
    name: "sends ahead what comes, as long as what a page says of the total holds",
    check: forEachExample((definition, example) => {
      const paginator = create(definition, example);
      const pages = walk(definition, example);
      const coming = pages.map(({ next }) => ("request" in next ? next.request : undefined));
      for (const [index, { page, next }] of pages.entries()) {
        const ahead = paginator.ahead?.(page, 3) ?? [];
        assert.ok(ahead.length <= 3, "more than was asked for");
        if (!("request" in next)) continue;
        const follow = coming.slice(index + 1).filter((request) => request !== undefined);
        assert.deepEqual(
          ahead.slice(0, follow.length),
          follow.slice(0, ahead.length),
          `after step ${index + 1}`,
        );
        assert.ok(ahead.length <= follow.length, `after step ${index + 1} a request too many would leave`);
      }
    }),
  },
  {
    name: "never repeats a request",
    check: forEachExample((definition, example) => {
      const sent = walk(definition, example).map(({ page: { request } }) =>
        JSON.stringify([request.method, request.url, request.body]),
      );
      assert.equal(new Set(sent).size, sent.length, "a request is sent twice");
    }),
  },
  {
    name: "keeps method and headers",
    check: forEachExample((definition, example) => {
      for (const { page } of walk(definition, example)) {
        assert.equal(page.request.method, "GET");
        assert.deepEqual(page.request.headers, HEADERS);
      }
    }),
  },
];

/** Names the example in whatever the check throws. */
function forEachExample(
  check: (definition: PaginatorDefinition, example: Example) => void,
): (definition: PaginatorDefinition) => void {
  return (definition) => {
    for (const example of definition.examples) {
      try {
        check(definition, example);
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        throw new Error(`${definition.type}, example "${example.title}": ${message}`, { cause: error });
      }
    }
  };
}

function create(definition: PaginatorDefinition, example: Example): Paginator {
  return definition.create(definition.options.parse(example.options), CONTEXT);
}

/** The whole walk of an example, by a paginator that is made anew. */
function walk(
  definition: PaginatorDefinition,
  example: Example,
): { readonly page: PageView; readonly next: Next }[] {
  const paginator = create(definition, example);
  const pages: { page: PageView; next: Next }[] = [];
  let at: At = { request: paginator.first(requestOf(example)) };
  for (const step of example.steps) {
    const page = pageOf(paginator, at, step);
    const next = paginator.next(page);
    pages.push({ page, next });
    if (!("request" in next)) break;
    at = next;
  }
  return pages;
}

/** A paginator that needs the head alone gets the head alone. */
function pageOf(paginator: Paginator, at: At, step: Step): PageView {
  const { request } = at;
  const memo = at.memo === undefined ? {} : { memo: at.memo };
  const head = {
    status: 200,
    url: request.url,
    headers: { "content-type": "application/json", ...step.headers },
  };
  if (paginator.needs === "head") return { request, head, ...memo };
  const records: Json[] = Array.from({ length: step.records ?? 0 }, (_, index) => ({ id: index + 1 }));
  return { request, head, ...memo, records, ...(step.body === undefined ? {} : { body: step.body }) };
}

function told(next: Next): { next: string | undefined; body: unknown; end: string | undefined } {
  return "request" in next
    ? { next: next.request.url, body: next.request.body, end: undefined }
    : { next: undefined, body: undefined, end: next.end };
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const item of Object.values(value)) deepFreeze(item);
  }
  return value;
}
