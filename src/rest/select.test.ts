import { expect, it } from "vitest";
import { selectByDetection, selectByPath } from "./select.js";

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
  expect(selectByPath(selector, "r")(body, true)).toEqual(records);
});

it("refuses a first page without the place, and takes a later one for empty", () => {
  const select = selectByPath("calls", "r");
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
  expect(selectByDetection("r")(body, true)).toEqual(records);
});

it("refuses to choose between two lists", () => {
  expect(() => selectByDetection("r")({ cats: [{ id: 1 }], dogs: [{ id: 2 }] }, true)).toThrow(
    expect.objectContaining({ code: "response/ambiguous" }),
  );
});

it("stays with the place it found on the first page", () => {
  const select = selectByDetection("r");
  expect(select({ things: [{ id: 1 }] }, true)).toEqual([{ id: 1 }]);
  expect(select({ things: [{ id: 2 }], extras: [{ x: 1 }] }, false)).toEqual([{ id: 2 }]);
});

it.each([
  ["an error", { error: { code: 1 } }],
  ["a list of errors", { data: null, errors: [{ message: "m" }] }],
  ["a refusal", { success: false, data: [] }],
])("refuses a later page that holds no records but %s", (_name, body) => {
  const refused = expect.objectContaining({ code: "response/error-body" }) as Error;
  expect(() => selectByPath("data", "r")(body, false)).toThrow(refused);
  const select = selectByDetection("r");
  select({ data: [{ id: 1 }] }, true);
  expect(() => select(body, false)).toThrow(refused);
});

it("leaves bodies with records, and records, alone", () => {
  const partly = { data: [{ id: 1 }], errors: [{ message: "m" }] };
  expect(selectByPath("data", "r")(partly, true)).toEqual([{ id: 1 }]);
  expect(selectByDetection("r")(partly, true)).toEqual([{ id: 1 }]);
  const job = { id: 7, error: "disk full" };
  expect(selectByDetection("r")(job, true)).toEqual([job]);
  expect(selectByPath("$", "r")({ error: "x" }, true)).toEqual([{ error: "x" }]);
});
