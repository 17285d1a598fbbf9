import { expect, it } from "vitest";
import { definePipeline, type RestApiConfig, restApi, type SluiceError } from "../index.js";

/** The problems of a configuration that may hold anything, as a user reads them. */
function problems(resource: object, client: object = {}): string[] {
  const config = {
    client: { base_url: "https://api.example.com", ...client },
    resources: [{ name: "r", ...resource }],
  } as unknown as RestApiConfig;
  try {
    definePipeline({ pipeline: "p", source: restApi(config) }, { env: {} });
    return [];
  } catch (error) {
    return (error as SluiceError).problems.map(({ at, message }) => `${at.path}: ${message}`);
  }
}

it.each<[object, object, string]>([
  [
    { table_format: "delta" },
    {},
    "source.resources[0].table_format: tables have the destination's own format",
  ],
  [{ nested_hints: {} }, {}, "source.resources[0].nested_hints: hints reach the root table only"],
  [{ auth: { type: "bearer" } }, {}, "source.resources[0].auth: auth belongs into the endpoint"],
  [{ params: { a: 1 } }, {}, "source.resources[0].params: params belong into the endpoint"],
  [{}, { session: {} }, "source.client.session: requests are not sent by a Python session"],
  [{ primary_key: () => "id" }, {}, "source.resources[0].primary_key: keys are names"],
  [{ table_name: () => "t" }, {}, "source.resources[0].table_name: a resource fills one table"],
  [{ write_disposition: () => "t" }, {}, "source.resources[0].write_disposition: a resource has one"],
  [{ primary_key: 5 }, {}, "source.resources[0].primary_key: expected text or a list, got a number"],
])("refuses %j %j with a reason", (resource, client, message) => {
  expect(problems(resource, client)).toEqual([expect.stringContaining(message)]);
});

it("accepts what makes no difference", () => {
  expect(
    problems({
      file_format: "parquet",
      references: [],
      table_format: "native",
      write_disposition: "merge",
      primary_key: ["id"],
    }),
  ).toEqual([]);
});
