/** What the types of a configuration must accept and must refuse. Compiled by `npm run check`; there is nothing to run. */
import { defineConfig, type RestApiConfig, restApi, secret } from "sluice";

const client = { base_url: "https://h" } as const;

export const accepted: RestApiConfig[] = [
  { client, resources: ["posts"] },
  { client, resources: [{ name: "a", endpoint: "a/b" }] },
  { client: { ...client, auth: { token: secret("t") } }, resources: ["a"] },
  { client: { ...client, auth: { type: "api_key", api_key: "k", location: "query" } }, resources: ["a"] },
  { client: { ...client, paginator: "header_link" }, resources: ["a"] },
  {
    client,
    resource_defaults: {
      primary_key: ["a", "b"],
      write_disposition: "merge",
      endpoint: { params: { x: [1, 2] } },
    },
    resources: [
      { name: "a", columns: { id: { data_type: "bigint", nullable: false } } },
      { name: "b", columns: [{ name: "id", data_type: "text" }] },
      {
        name: "c",
        endpoint: { paginator: { type: "cursor", cursor_path: "meta.next", cursor_param: "after" } },
      },
      {
        name: "d",
        endpoint: { paginator: { type: "cursor", cursor_value: ({ headers }) => headers.link["next"]?.url } },
      },
      { name: "e", endpoint: { paginator: { type: "offset", limit: 50 } } },
    ],
  },
];

defineConfig({
  source: restApi({ client, resources: ["a"] }),
  variables: { id: 1 },
  checkpoint: { rows: 10 },
});

export const refused: RestApiConfig[] = [
  // @ts-expect-error resources is missing
  { client },
  // @ts-expect-error an unknown key
  { client, resources: [{ name: "a", primary_kee: "id" }] },
  // @ts-expect-error an unknown type of column
  { client, resources: [{ name: "a", columns: { id: { data_type: "int" } } }] },
  // @ts-expect-error an unknown paginator
  { client, resources: [{ name: "a", endpoint: { paginator: "header_lnk" } }] },
  {
    client,
    // @ts-expect-error an option of another paginator
    resources: [{ name: "a", endpoint: { paginator: { type: "offset", limit: 5, cursor_path: "x" } } }],
  },
  // @ts-expect-error an unknown place for a key
  { client: { ...client, auth: { type: "api_key", api_key: "k", location: "body" } }, resources: ["a"] },
];
