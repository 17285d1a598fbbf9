import { expect, it } from "vitest";
import { expandResource } from "./defaults.js";

it.each([
  ["posts", { name: "posts", path: "posts" }],
  [
    { name: "r", endpoint: "a/b" },
    { name: "r", path: "a/b" },
  ],
  [{ name: "r" }, { name: "r", path: "r" }],
  [
    { name: "r", endpoint: {} },
    { name: "r", path: "r" },
  ],
])("writes the shorthand %j out", (entry, { name, path }) => {
  expect(expandResource(entry, undefined)).toMatchObject({ name, endpoint: { path } });
});

it("takes the name as the path even if the defaults have one", () => {
  expect(expandResource("posts", { endpoint: { path: "shared" } }).endpoint.path).toBe("posts");
});

it("merges the endpoint whole, but params and json by key", () => {
  const { endpoint } = expandResource(
    {
      name: "r",
      endpoint: { params: { b: 2 }, json: { y: { deep: 1 } }, headers: { own: "1" }, paginator: "cursor" },
    },
    {
      endpoint: {
        params: { a: 1, b: 1 },
        json: { x: 1, y: { other: 2 } },
        headers: { shared: "1" },
        paginator: "header_link",
      },
    },
  );
  expect(endpoint).toMatchObject({
    params: { a: 1, b: 2 },
    json: { x: 1, y: { deep: 1 } },
    paginator: "cursor",
  });
  expect(endpoint.json).toEqual({ x: 1, y: { deep: 1 } });
  expect(endpoint.headers).toEqual({ own: "1" });
});

it("an explicit null resets a default", () => {
  const { endpoint, columns } = expandResource(
    {
      name: "r",
      columns: null,
      endpoint: { paginator: null, data_selector: null, params: null, json: null },
    },
    {
      columns: { a: { data_type: "text" } },
      endpoint: { paginator: "header_link", data_selector: "x", params: { a: 1 }, json: { a: 1 } },
    },
  );
  expect(endpoint).toMatchObject({ paginator: null, data_selector: null });
  expect(endpoint.params ?? undefined).toBeUndefined();
  expect(endpoint.json ?? undefined).toBeUndefined();
  expect(columns).toEqual({});
});

it("merges columns by column and hint, whichever way they are written", () => {
  const { columns } = expandResource(
    {
      name: "r",
      columns: [
        { name: "id", nullable: false },
        { name: "b", data_type: "double" },
      ],
    },
    { columns: { id: { data_type: "bigint" }, a: { data_type: "text" } } },
  );
  expect(columns).toEqual({
    id: { data_type: "bigint", nullable: false },
    a: { data_type: "text" },
    b: { data_type: "double" },
  });
});

it("the resource's keys win over the defaults", () => {
  expect(
    expandResource({ name: "r", primary_key: ["a", "b"] }, { primary_key: "id", write_disposition: "merge" }),
  ).toMatchObject({ primary_key: ["a", "b"], write_disposition: "merge" });
});
