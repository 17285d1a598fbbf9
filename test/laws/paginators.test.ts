import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { withParam } from "../../src/http/url.js";
import { definePaginator, type PaginatorDefinition } from "../../src/rest/paginator.js";
import { paginatorLaws } from "./paginator.js";

const folder = new URL("../../src/rest/paginators/", import.meta.url);
const files = readdirSync(folder).filter((file) => {
  return file.endsWith(".ts") && !file.endsWith(".test.ts") && file !== "index.ts";
});
const modules = await Promise.all(
  files
    .filter((file) => /^export const \w+Paginator\b/m.test(readFileSync(new URL(file, folder), "utf8")))
    .map(async (file) => ({
      file,
      exports: (await import(new URL(file, folder).href)) as Record<string, unknown>,
    })),
);

describe.each(modules)("$file", ({ file, exports }) => {
  const name = `${file.replace(".ts", "").replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase())}Paginator`;
  test.each(paginatorLaws)("$name", (law) => {
    law.check(exports[name] as PaginatorDefinition);
  });
});

test("the built-in paginators are found", () => {
  expect(modules.length).toBeGreaterThanOrEqual(7);
});

/** Counts pages, rightly; each law below gets a version of it that breaks it. */
const sound = definePaginator({
  type: "sound",
  summary: "Counts to two.",
  options: z.strictObject({ param: z.string().describe("Query parameter.") }),
  create: ({ param }) => ({
    needs: "body",
    first: (request) => withParam(request, param, 1),
    next: (page) =>
      page.body === true ? { request: withParam(page.request, param, 2) } : { end: "proved", why: "no more" },
  }),
  examples: [
    {
      title: "two pages",
      options: { param: "p" },
      first: "https://api.example.com/items?p=1",
      steps: [
        { body: true, next: "https://api.example.com/items?p=2" },
        { body: false, end: "proved" },
      ],
    },
    {
      title: "one page",
      options: { param: "q" },
      first: "https://api.example.com/items?q=1",
      steps: [{ body: false, end: "proved" }],
    },
  ],
}) as PaginatorDefinition;

const broken: Record<string, Partial<PaginatorDefinition>> = {
  "has at least two examples": { examples: sound.examples.slice(1) },
  "refuses unknown options": { options: z.object({ param: z.string().describe("Query parameter.") }) },
  "describes every option": { options: z.strictObject({ param: z.string() }) },
  "does what its examples say": creating((whole) => ({ ...whole, first: (request) => request })),
  ends: { examples: [{ ...sound.examples[0]!, steps: sound.examples[0]!.steps.slice(0, 1) }] },
  "says why it ends": creating((whole) => ({
    ...whole,
    next: (page) => (page.body === true ? whole.next(page) : { end: "proved", why: "" }),
  })),
  "changes nothing that it is given": creating((whole) => ({
    ...whole,
    next(page) {
      Object.assign(page.request, { seen: true });
      return whole.next(page);
    },
  })),
  "gives the same for the same": creating((whole) => {
    let calls = 0;
    return { ...whole, next: (page) => (calls++ < 2 ? whole.next(page) : { end: "unknown", why: "tired" }) };
  }),
  "is continued by another one from a request that was stored as JSON": creating((whole) => {
    let started = false;
    return {
      ...whole,
      first(request) {
        started = true;
        return whole.first(request);
      },
      next: (page) => (started ? whole.next(page) : { end: "unknown", why: "never started" }),
    };
  }),
  "sends ahead what comes, as long as what a page says of the total holds": creating((whole) => ({
    ...whole,
    ahead: (page) => [withParam(page.request, "p", 3)],
  })),
  "never repeats a request": creating((whole) => ({
    ...whole,
    next: (page) => (page.body === true ? { request: page.request } : whole.next(page)),
  })),
  "keeps method and headers": creating((whole) => ({
    ...whole,
    next(page) {
      const next = whole.next(page);
      return "request" in next ? { request: { ...next.request, headers: { "x-page": "2" } } } : next;
    },
  })),
};

type Created = ReturnType<PaginatorDefinition["create"]>;

function creating(change: (whole: Created) => Created): Partial<PaginatorDefinition> {
  return { create: (options, context) => change(sound.create(options, context)) };
}

describe("each law can fail", () => {
  test.each(paginatorLaws)("$name", (law) => {
    law.check(sound);
    const definition = { ...sound, ...broken[law.name] };
    expect(broken).toHaveProperty([law.name]);
    expect(() => law.check(definition)).toThrow();
  });
});
