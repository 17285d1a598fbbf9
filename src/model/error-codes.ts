import type { ErrorKind } from "./error.js";

/**
 * Every error code: its kind (which decides the exit code), a title, and what `sluice explain` says. A code, once
 * published, keeps its meaning.
 */
export const ERROR_CODES = {
  "internal/bug": {
    kind: "bug",
    title: "Something went wrong inside Sluice",
    explain:
      "No mistake of yours leads here. Rows and state are as of the last commit; run again after reporting it.",
  },
  "config/not-found": {
    kind: "config",
    title: "No configuration file",
    explain:
      "`sluice run` takes a path, or looks for sluice.config.ts, .js, .yaml, .yml or .json in the current folder.",
  },
  "config/unreadable": {
    kind: "config",
    title: "The configuration file can't be read",
    explain: "The file has a syntax error, or a TypeScript configuration threw while it was loaded.",
  },
  "config/invalid": {
    kind: "config",
    title: "The configuration is not valid",
    explain:
      "The whole configuration is checked before the first request, and every problem found is listed with its place.",
  },
  "config/usage": {
    kind: "config",
    title: "The command was called wrongly",
    explain:
      "An option or argument is unknown or has a value that can't be used. `sluice COMMAND --help` lists them.",
  },
  "config/missing-secret": {
    kind: "config",
    title: "A secret has no value",
    explain:
      "Secrets are looked up in the environment (SOURCES__<PIPELINE>__<NAME>, then <NAME>), in .sluice/secrets.toml, then in .dlt/secrets.toml.",
  },
  "config/unbound-variable": {
    kind: "config",
    title: "A {placeholder} has no value",
    explain:
      "A {name} in a path is bound from the endpoint's params, from `variables:` in the configuration, from --set name=value, or from the environment (NAME).",
  },
  "config/missing-package": {
    kind: "config",
    title: "An optional package is not installed",
    explain: "Heavy drivers are installed only by those who use them; the message names the command.",
  },
  "auth/rejected": {
    kind: "auth",
    title: "The API refused the credentials",
    explain:
      "The API answered 401 or 403. Check the secret's value and its form: some APIs want a prefix such as `Bearer ` or `Token token=`.",
  },
  "http/status": {
    kind: "source",
    title: "The API answered with an error status",
    explain:
      "Statuses 429, 500, 502, 503 and 504 are retried first (client.retry); other 4xx and 5xx end the resource at once.",
  },
  "http/network": {
    kind: "source",
    title: "The API could not be reached, or the connection broke",
    explain:
      "Connection errors, time-outs and truncated bodies are retried for safe methods before this error is raised.",
  },
  "http/timeout": {
    kind: "source",
    title: "The API did not answer in time",
    explain:
      "Connecting, the response's headers and each pause within its body have time limits (client.timeouts).",
  },
  "http/too-large": {
    kind: "source",
    title: "A response is larger than allowed",
    explain: "One response may have client.max_body_bytes after decompression. A smaller page size helps.",
  },
  "http/encoding": {
    kind: "source",
    title: "A compressed response can't be unpacked",
    explain:
      "Gzip, deflate and Brotli are understood, at most two of them on one body. A damaged body is fetched again first.",
  },
  "http/origin": {
    kind: "source",
    title: "The API points to another origin",
    explain:
      "A next link, redirect or absolute path leads to another scheme, host or port than base_url. Credentials never go there; list the origin in client.allowed_origins to follow it without them.",
  },
  "http/downgrade": {
    kind: "source",
    title: "The API points from https to http",
    explain: "An encrypted walk never continues unencrypted, whatever is listed in client.allowed_origins.",
  },
  "http/private-network": {
    kind: "source",
    title: "The API is in a private network",
    explain:
      "The run was started with --block-private-network, for configurations that are not trusted: no request goes to this machine, to private networks or to metadata services of clouds, whatever a link, redirect or name leads to.",
  },
  "http/redirects": {
    kind: "source",
    title: "Too many redirects",
    explain: "A request was redirected more than ten times, or to itself.",
  },
  "response/not-json": {
    kind: "source",
    title: "The body is not JSON",
    explain:
      "The response has status 200 but a body that does not parse, for example an HTML error page or a truncated document. It was retried first.",
  },
  "response/malformed": {
    kind: "source",
    title: "The body is not what its format says",
    explain:
      "A line or row of a JSON Lines or CSV response can't be read; the message names it. The format is endpoint.format, or follows from the content type. It was retried first.",
  },
  "response/no-records": {
    kind: "source",
    title: "The selector finds nothing in the first page",
    explain:
      "data_selector names a place that the first page does not have. That would load zero rows and look like success.",
  },
  "response/ambiguous": {
    kind: "source",
    title: "No data_selector, and more than one list could be the records",
    explain: "Set endpoint.data_selector to the one you mean.",
  },
  "paginator/loop": {
    kind: "source",
    title: "The pages go in a circle",
    explain:
      "A request was about to be sent a second time in one walk, or a page repeated the one before. Going on would never end or would load rows twice.",
  },
  "paginator/short": {
    kind: "source",
    title: "The walk ended although the API says that there is more",
    explain:
      "The responses contradict the end: more records are announced than the pages gave, or a flag says that more follow while nothing tells how to ask for them. That would be a silent truncation, so the resource fails. Merged rows are kept; appended and replaced ones since the last commit are not.",
  },
  "paginator/value": {
    kind: "source",
    title: "A value that the paginator needs is missing or unusable",
    explain: "The response lacks the total, cursor or link that the paginator's options point to.",
  },
  "paginator/undetected": {
    kind: "source",
    title: "There are more pages, but how to ask for them is not clear",
    explain:
      "Without a configured paginator the API's paging is detected. The response says that it is not the whole, in a way that does not tell the next request; the message names what it says. Set endpoint.paginator, or single_page if it is the whole after all.",
  },
  "parent/value": {
    kind: "source",
    title: "A parent's record has no usable value for its child's request",
    explain:
      "The field that {resources.parent.field} names is missing in the record, or holds what can't stand there, such as null in a path.",
  },
  "expression/failed": {
    kind: "source",
    title: "An expression failed on a response",
    explain: "The template is well-formed, but can't be evaluated on what the API sent.",
  },
  "data/not-record": {
    kind: "data",
    title: "A record has a shape that no row can have",
    explain: "The user's resource yielded something that is neither an object nor a value.",
  },
  "data/rejected": {
    kind: "data",
    title: "Records were set aside",
    explain:
      "Records that break the declared schema are kept in _sluice_rejects with the reason; the good rows are committed.",
  },
  "data/names": {
    kind: "data",
    title: "A name can't be used",
    explain: "A table or column name is empty or not usable after the naming rules.",
  },
  "destination/unreachable": {
    kind: "destination",
    title: "The destination can't be opened",
    explain: "The file, server or bucket can't be reached or refuses access.",
  },
  "destination/failed": {
    kind: "destination",
    title: "The destination refused a statement",
    explain: "Nothing of the package was committed. The database's own words are in the message.",
  },
  "destination/locked": {
    kind: "locked",
    title: "Another writer holds the pipeline",
    explain:
      "One run at a time writes a pipeline, and one process at a time opens a DuckDB file. Wait for the other run, or close the program that has the file open.",
  },
  "run/interrupted": {
    kind: "interrupted",
    title: "The run was stopped",
    explain: "What was committed stays; the next run goes on from there.",
  },
} as const satisfies Record<string, { kind: ErrorKind; title: string; explain: string }>;

export type ErrorCode = keyof typeof ERROR_CODES;
