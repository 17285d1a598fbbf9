import { expect, it } from "vitest";
import { selectByDetection, selectByPath, selectRecord } from "./select.js";

const r = { resource: "calls" };

it.each([
  ["a list", "data", { data: [1, 2] }, [1, 2]],
  ["one object", "data", { data: { id: 1 } }, [{ id: 1 }]],
  ["null", "data", { data: null }, []],
  ["a nested path", "a.b", { a: { b: [1] } }, [1]],
  ["one of many matches", "data[*].items", { data: [{ items: [1] }] }, [1]],
  [
    "many matches, in the same shape",
    "data[*].items",
    { data: [{ items: [1] }, { items: [2, 3] }] },
    [1, 2, 3],
  ],
  ["a key with a dot", "@odata.value", { "@odata.value": [7] }, [7]],
])("selects %s", (_name, selector, body, records) => {
  expect(selectByPath(selector, r)(body, true)).toEqual(records);
});

it("refuses a first page without the place, and takes a later one for empty", () => {
  const select = selectByPath("calls", r);
  expect(() => select({ items: [] }, true)).toThrow(
    expect.objectContaining({ code: "response/no-records", hint: expect.stringContaining("items") }),
  );
  expect(select({ items: [] }, false)).toEqual([]);
});

it.each([
  ["a list at the root", [{ id: 1 }], [{ id: 1 }]],
  ["the only list of objects", { meta: { warnings: ["w"] }, things: [{ id: 1 }] }, [{ id: 1 }]],
  ["a usual name over another", { tags: [{ t: 1 }], data: [{ id: 1 }] }, [{ id: 1 }]],
  ["an empty list with a usual name", { count: 0, results: [] }, []],
  ["an object without lists as one record", { id: 1, tags: ["a"] }, [{ id: 1, tags: ["a"] }]],
  ["nested lists", { response: { items: [{ id: 1 }] } }, [{ id: 1 }]],
  ["keys with dots", { "odata.items": [{ id: 1 }] }, [{ id: 1 }]],
  ["nothing in null", null, []],
])("detects %s", (_name, body, records) => {
  expect(selectByDetection(r)(body, true)).toEqual(records);
});

it("refuses to choose between two lists", () => {
  expect(() => selectByDetection(r)({ cats: [{ id: 1 }], dogs: [{ id: 2 }] }, true)).toThrow(
    expect.objectContaining({ code: "response/ambiguous" }),
  );
});

it("stays with the place it found on the first page", () => {
  const select = selectByDetection(r);
  expect(select({ things: [{ id: 1 }] }, true)).toEqual([{ id: 1 }]);
  expect(select({ things: [{ id: 2 }], extras: [{ x: 1 }] }, false)).toEqual([{ id: 2 }]);
});

it.each([
  ["the resource's name over others", { tags: [{ t: 1 }, { t: 2 }], calls: [{ id: 1 }] }, "calls"],
  ["the resource's name, even when empty", { tags: [{ t: 1 }, { t: 2 }], calls: [] }, "calls"],
  ["an empty list with a usual name over a full one", { results: [], facets: [{ f: 1 }] }, "results"],
  ["JSON:API's data over what is included", { data: [{ id: 1 }], included: [{ x: 1 }, { x: 2 }] }, "data"],
  [
    "the list that paging keys stand beside",
    { extra: { a: [{ x: 1 }] }, page: { things: [{ id: 1 }], total: 1 } },
    "page.things",
  ],
  ["lists under keys with dots and spaces", { "my things.all": [{ id: 1 }] }, "my things.all"],
  ["no list of errors", { errors: [{ message: "e" }], things: [{ id: 1 }] }, "things"],
])("weighs the lists: %s", (_name, body, place) => {
  const select = selectByDetection(r);
  const records = select(body, true);
  expect(select.explain?.()).toMatch(new RegExp(`^${place}: .`));
  expect(records).toEqual(
    place === "page.things" ? [{ id: 1 }] : (body as unknown as Record<string, unknown>)[place],
  );
});

it.each([
  ["a list beside an id is part of a record", { id: 1, addresses: [{ street: "s" }] }],
  ["a record may have an error", { id: 7, state: "failed", error: "time-out" }],
  ["and null where a list could be", { id: 7, data: null }],
])("takes the body for one record: %s", (_name, body) => {
  expect(selectByDetection(r)(body, true)).toEqual([body]);
});

it("takes null in place of the list for an empty page", () => {
  expect(selectByDetection(r)({ data: null, total: 0, next: null }, true)).toEqual([]);
});

const failures = [
  [{ error: "invalid_auth", ok: false }, ": invalid_auth"],
  [{ errors: [{ message: "no such field" }], data: null }, ": no such field"],
  [{ error: { code: 5, message: "gone" } }, ": gone"],
  [{ jsonrpc: "2.0", id: 1, error: { code: 1 } }, ""],
] as const;
it.each(failures)("takes an error for an error, however it is selected: %j", (body, said) => {
  const error = expect.objectContaining({
    code: "response/unsuccessful",
    message: `the response has a successful status, but tells of an error${said}`,
  });
  expect(() => selectByDetection(r)(body, true)).toThrow(error);
  expect(() => selectRecord(r)(body, true)).toThrow(error);
  expect(() => selectByPath("data.nodes", r)(body, true)).toThrow(error);
  expect(() => selectByPath("data", r)(body, false)).toThrow(error);
  const later = selectByDetection(r);
  later({ items: [{ id: 1 }] }, true);
  expect(() => later(body, false)).toThrow(error);
});

it("hides secrets in what the API says", () => {
  const redact = (text: string) => text.replace("canary-1", "***");
  expect(() => selectRecord({ ...r, redact })({ error: "bad key canary-1" }, true)).toThrow("bad key ***");
});

it("takes a missing place for an empty first page if allowed", () => {
  expect(selectByPath("calls", { ...r, allowMissing: true })({ total: 0 }, true)).toEqual([]);
});
