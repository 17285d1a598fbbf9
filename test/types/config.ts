/** What the types of a configuration must accept and must refuse. Compiled by `npm run check`; there is nothing to run. */
import {
  defineAuth,
  defineConfig,
  defineDecoder,
  definePaginator,
  defineResource,
  type JsonObject,
  type ResourceConfig,
  type RestApiConfig,
  type RowOf,
  restApi,
  secret,
  z,
} from "sluice";
import * as v from "valibot";

const client = { base_url: "https://h" } as const;

const ticket = definePaginator({
  type: "ticket",
  summary: "",
  options: z.strictObject({ header: z.string() }),
  create: ({ header }) => ({
    needs: "head",
    first: (request) => request,
    next: ({ head }) => ({ end: "proved", why: head.headers[header] ?? "none" }),
  }),
  examples: [{ title: "", options: { header: "x" }, first: "https://h/", steps: [] }],
});
const team = defineAuth({
  type: "team",
  summary: "",
  options: z.strictObject({}),
  create: () => ({ queryNames: [], authorize: (request) => request }),
  examples: [],
});
const words = defineDecoder({
  type: "words",
  summary: "",
  mediaTypes: ["text/x-words"],
  options: z.strictObject({ key: z.string().default("word") }),
  create:
    ({ key }) =>
    (body) => [{ [key]: body.length }],
  examples: [],
});

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
  {
    client: { ...client, auth: team, paginator: ticket({ header: "x" }) },
    resource_defaults: { endpoint: { auth: team({}), format: words, paginator: ticket } },
    resources: [{ name: "a", endpoint: { format: { type: words, key: "k" }, paginator: { type: ticket } } }],
  },
];

defineConfig({
  source: restApi({ client, resources: ["a"] }),
  variables: { id: 1 },
  checkpoint: { rows: 10 },
});

/** True for types that can stand for each other. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

const read = () => [[]];
const user = z.object({ id: z.int(), born: z.iso.date().optional(), tags: z.array(z.string()) });
const users = defineResource({ name: "users", schema: user, read });
const plain = defineResource({ name: "plain", read });
const made = defineResource({ name: "made", schema: v.pipe(v.string(), v.transform(Number)), read });
const calls = { name: "calls", endpoint: "v1/calls", schema: user } satisfies ResourceConfig;
export const rowTypes: [
  Same<RowOf<typeof users>, { id: number; born?: string | undefined; tags: string[] }>,
  Same<RowOf<typeof plain>, JsonObject>,
  Same<RowOf<typeof made>, number>,
  Same<RowOf<typeof calls>, z.output<typeof user>>,
  Same<RowOf<typeof users>, JsonObject>,
] = [true, true, true, true, false];
defineConfig({ source: [users, plain, restApi({ client, resources: [calls] })] });
// @ts-expect-error no schema
defineResource({ name: "users", schema: { type: "object" }, read });

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
  // @ts-expect-error an auth method is no paginator
  { client: { ...client, paginator: team }, resources: ["a"] },
  // @ts-expect-error a paginator is no format
  { client, resources: [{ name: "a", endpoint: { format: ticket } }] },
  // @ts-expect-error the option is called header
  { client: { ...client, paginator: ticket({ haeder: "x" }) }, resources: ["a"] },
  // @ts-expect-error an unknown place for a key
  { client: { ...client, auth: { type: "api_key", api_key: "k", location: "body" } }, resources: ["a"] },
];
