#!/usr/bin/env node
// Writes docs/reference.md from the definitions in the sources, so that it can't say anything else. With --check it
// writes nothing and fails when the file is stale.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createJiti } from "jiti";
import { z } from "zod";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const jiti = createJiti(import.meta.url);
const source = (path) => jiti.import(fileURLToPath(new URL(`../src/${path}`, import.meta.url)));

const { paginators } = await source("rest/paginators/index.ts");
const { auths } = await source("rest/auth/index.ts");
const { decoders } = await source("rest/decoders/index.ts");
const { destinations } = await source("destinations/index.ts");
const { restApiOptions } = await source("rest/options.ts");
const { pipelineOptions } = await source("config/options.ts");
const { testOptions } = await source("config/expectations.ts");
const { ERROR_CODES } = await source("model/error-codes.ts");
const { explain } = await source("config/exit-code.ts");

const cell = (text) => String(text).replaceAll("|", "\\|").replaceAll("\n", " ");
const table = (head, rows) =>
  [head, head.map(() => "---"), ...rows].map((row) => `| ${row.map(cell).join(" | ")} |`).join("\n");

const HEAD = ["Key", "Type", "Required", "Meaning"];

const TYPES = {
  string: "text",
  integer: "whole number",
  number: "number",
  boolean: "true or false",
  null: "null",
};

const PLURALS = { text: "texts", "whole number": "whole numbers", number: "numbers", object: "objects" };

/** The type of an option in words; "" for any value. */
function typeOf({ const: fixed, enum: values, type, anyOf, items, properties }) {
  if (fixed !== undefined) return `\`${fixed}\``;
  if (values !== undefined) return values.map((value) => `\`${value}\``).join(", ");
  if (anyOf !== undefined) {
    const types = [...new Set(anyOf.map(typeOf).filter((text) => text !== ""))];
    const choices = types.filter((text) => text !== "null");
    return [...choices, ...(types.includes("null") ? ["null"] : [])].join(" or ");
  }
  if (type === "array") {
    const item = items === undefined ? "" : typeOf(items);
    return item === "" ? "list" : `list of ${PLURALS[item] ?? item}`;
  }
  if (type === "object") return properties === undefined ? "map" : "object";
  return TYPES[type] ?? "";
}

/** Options of a schema, nested objects as dotted names. */
function optionRows(schema, prefix = "") {
  const required = new Set(schema.required ?? []);
  return Object.entries(schema.properties ?? {}).flatMap(([name, option]) => {
    const path = `${prefix}${name}`;
    const own =
      option.description === undefined && option.properties !== undefined
        ? []
        : [row(path, option, required.has(name))];
    return [...own, ...optionRows(option, `${path}.`)];
  });
}

function row(path, option, required) {
  const fallback = option.default === undefined ? "" : ` Default \`${JSON.stringify(option.default)}\`.`;
  return [
    `\`${path}\``,
    typeOf(option),
    required ? "yes" : "",
    `${option.description ?? ""}${(option.description ?? "").includes("efault") ? "" : fallback}`,
  ];
}

const jsonSchema = (schema) => z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
const options = (schema) => table(HEAD, optionRows(jsonSchema(schema)));
const printed = (value) =>
  JSON.stringify(value, (_, item) => (typeof item === "function" ? String(item) : item));

function paginatorSection(definition) {
  const examples = definition.examples.map(({ title, options: given, body, first, firstBody, steps }) => {
    const request = (url, sent) => `\`${url}\`${sent === undefined ? "" : ` with ${printed(sent)}`}`;
    const lines = steps.map((step) => {
      const seen = [
        ...(step.headers === undefined ? [] : [`headers ${printed(step.headers)}`]),
        ...(step.body === undefined ? [] : [`body ${printed(step.body)}`]),
        ...(step.records === undefined ? [] : [`${step.records} records`]),
      ].join(", ");
      return `- ${seen} → ${step.next === undefined ? `end (${step.end})` : request(step.next, step.nextBody)}`;
    });
    return [
      `**${title}**: \`${printed({ type: definition.type, ...given })}\``,
      "",
      `- first request ${request(first, firstBody)}${body === undefined ? "" : `; the endpoint's own \`json\` is ${printed(body)}`}`,
      ...lines,
    ].join("\n");
  });
  const name =
    definition.selectedBy === undefined
      ? `\`${definition.type}\``
      : `\`${definition.type}\` with \`${definition.selectedBy}\``;
  return [`### ${name}`, definition.summary, options(definition.options), ...examples].join("\n\n");
}

function asForm(body) {
  if (body === undefined) return "";
  const text = body.kind === "form" ? new URLSearchParams(body.pairs) : printed(body.value);
  return ` with \`${text}\``;
}

function authSection(definition) {
  const examples = definition.examples.map(({ title, options: given, url, sent, obtains }) => {
    const { method, url: from, body } = obtains?.request ?? {};
    const asked =
      obtains === undefined
        ? ""
        : ` asks \`${method} ${from}\`${asForm(body)}, gets \`${printed(obtains.answer)}\`, and`;
    return `**${title}**: \`${printed({ type: definition.type, ...given })}\`${asked} sends \`${url}\` with \`${printed(sent)}\``;
  });
  return [`### \`${definition.type}\``, definition.summary, options(definition.options), ...examples].join(
    "\n\n",
  );
}

function decoderSection(definition) {
  const examples = definition.examples.map(
    ({ title, options: given, body, value }) =>
      `**${title}**: \`${printed({ type: definition.type, ...given })}\` makes of ${typeof body === "string" ? `\`${printed(body)}\`` : `${body.length} bytes`} the value \`${printed(value)}\``,
  );
  const types = definition.mediaTypes.map((type) => `\`${type}\``).join(", ");
  const hasOptions = Object.keys(definition.options.shape).length > 0;
  return [
    `### \`${definition.type}\``,
    definition.summary,
    `Chosen for the content types ${types}.`,
    ...(hasOptions ? [options(definition.options)] : []),
    ...examples,
  ].join("\n\n");
}

function destinationSection(definition) {
  const schemes = definition.scheme.map((scheme) => `\`${scheme}:\``).join(", ");
  return [
    `### \`${definition.type}\``,
    definition.summary,
    `URI schemes: ${schemes}.`,
    options(definition.options),
  ].join("\n\n");
}

/** A kind of component that users can write themselves. */
const ownSection = (kind, define) =>
  `In a TypeScript configuration a ${kind} of one's own stands in place of a built-in one: \`${define}({ type: "mine", options, create, … })\` gives a function from its options to what the configuration takes, and without options can stand there itself. See [CONTRIBUTING](../CONTRIBUTING.md#without-a-place-in-the-registry).`;

const rest = jsonSchema(restApiOptions);
const resourceObject = rest.properties.resources.items.anyOf.find((item) => item.properties !== undefined);
const endpointObject = resourceObject.properties.endpoint.anyOf
  .flatMap((item) => item.anyOf ?? [item])
  .find((item) => item.properties !== undefined);

const actionObject = endpointObject.properties.response_actions.anyOf
  .find((item) => item.items !== undefined)
  .items.anyOf.find((item) => item.properties !== undefined);

/** The object among the alternatives of an option. */
const objectOf = (option) =>
  option.properties !== undefined
    ? option
    : (option.anyOf ?? (option.items === undefined ? [] : [option.items]))
        .map(objectOf)
        .find((item) => item !== undefined);
const objectTable = (option) => table(HEAD, optionRows(objectOf(option)));
const incrementalObject = endpointObject.properties.incremental.anyOf.find(
  (item) => item.properties !== undefined,
);
const expected = jsonSchema(testOptions).properties.expect.properties;

const text = [
  "# Reference",
  "Written by `scripts/reference.mjs` from the code; do not edit.",
  "## Pipeline",
  "Keys of a pipeline. In YAML and JSON `client`, `resource_defaults` and `resources` may stand beside them.",
  options(pipelineOptions),
  "## Tests",
  "`sluice test` runs them. Each replays a folder that `sluice run --record` has made into a database in memory, without network and without secrets, and ends with exit code 5 if an expectation is not met. Numbers are compared by value, timestamps as instants, `json` columns by content.",
  options(testOptions),
  "Of a table (`expect.tables.<name>`):",
  table(HEAD, optionRows(expected.tables.additionalProperties)),
  "Of a resource (`expect.resources.<name>`):",
  table(HEAD, optionRows(expected.resources.additionalProperties)),
  "## `client`",
  table(HEAD, optionRows(rest.properties.client)),
  "## `resources[]`",
  "A text is a name and a path. `resource_defaults` has the same keys but `name`; what the resource says wins.",
  table(
    HEAD,
    optionRows({
      ...resourceObject,
      properties: {
        ...resourceObject.properties,
        endpoint: { description: resourceObject.properties.endpoint.description },
      },
    }),
  ),
  "## `endpoint`",
  table(HEAD, optionRows(endpointObject)),
  "### `endpoint.batch`",
  objectTable(endpointObject.properties.batch),
  "### `endpoint.success_when`",
  "An expression or a function alone is the `condition`.",
  objectTable(endpointObject.properties.success_when),
  "## Processing steps",
  "Items of `processing_steps`, in order; within one item filter, map, yield_map. An expression sees `record` and `config`, and in TypeScript each may be a function, also an async one. A record that is a plain value comes as `{ value }`. Pages, positions and paginators are those of the API, whatever the steps leave of a page; a change of the steps makes a walk that was cut short start again.",
  objectTable(resourceObject.properties.processing_steps),
  "## Paginators",
  ownSection("paginator", "definePaginator"),
  ...paginators.map(paginatorSection),
  "## Authentication",
  ownSection("auth method", "defineAuth"),
  ...auths.map(authSection),
  "## Response formats",
  '`endpoint.format` names one, with options as an object: `{ type: csv, delimiter: ";" }`. Left out, each response goes by its content type, or where that says nothing by the name in its URL. A gzip file (`calls.csv.gz`) is unpacked first, whatever its format. Text is UTF-8 unless a byte order mark or the content type says otherwise. Status 204 and an empty body are zero records in every format.',
  ownSection("format", "defineDecoder"),
  ...decoders.map(decoderSection),
  "## Response actions",
  "Items of `endpoint.response_actions`, asked in order for every response but followed redirects; the first that fits decides. One fits if both its status and its content do. Without any, 2xx is read, `client.retry.status_codes` are retried, and every other status fails. In TypeScript an item, or its `action`, may be a function of `{ status, url, headers, text }` that returns an action, `{ action, message }`, or nothing to leave it to the next item. Where an item needs the body, the next page's request waits for it.",
  table(HEAD, optionRows(actionObject)),
  "## Incremental loading",
  "Keys of `endpoint.incremental`. dlt's other form, a parameter `{ type: incremental, ... }` whose name is the start_param, has the same ones but `start_param`, `end_param`, `end_value` and `step`. [The guide](incremental.md) shows them in use.",
  table(HEAD, optionRows(incrementalObject)),
  "## Destinations",
  ...destinations.map(destinationSection),
  "## Error codes",
  "`sluice explain CODE` prints these.",
  table(
    ["Code", "Exit code", "Title", "Explanation"],
    Object.keys(ERROR_CODES).map((code) => {
      const { exitCode, title, explain: explanation } = explain(code);
      return [`\`${code}\``, exitCode, title, explanation];
    }),
  ),
  "",
].join("\n\n");

const file = "docs/reference.md";
const current = existsSync(file) ? readFileSync(file, "utf8") : "";
if (current !== text && process.argv.includes("--check")) {
  console.log(`${file} is stale; run: npm run build && node scripts/reference.mjs`);
  process.exitCode = 1;
} else writeFileSync(file, text);
