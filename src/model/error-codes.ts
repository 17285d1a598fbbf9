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
  "config/unsupported": {
    kind: "config",
    title: "The destination can't do what a resource wants",
    explain:
      "A destination may lack a write disposition, a strategy of merge or one of its rules, and says so beforehand. Nothing was read or written.",
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
  "http/rate-limit": {
    kind: "source",
    title: "The API's rate limit is used up",
    explain:
      "The API said, in the headers of an earlier response or by 429, that it takes no requests for longer than client.retry.max_delay. Run again after that time, or raise it to wait.",
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
  "response/unsuccessful": {
    kind: "source",
    title: "A response with a successful status is not a success",
    explain:
      "endpoint.success_when does not hold for it; or it has `error` or `errors` where the records should be, as GraphQL and some other APIs answer with status 200.",
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
  "incremental/missing": {
    kind: "source",
    title: "A record has no cursor value",
    explain:
      "An incremental resource goes by the value at cursor_path. Records may lack it if on_cursor_value_missing says what to do with them.",
  },
  "incremental/types": {
    kind: "source",
    title: "Cursor values can't be compared",
    explain:
      "Numbers, dates and timestamps, and other texts each have an order of their own, and none among each other. initial_value, end_value, what was remembered and all records must be of one of these types.",
  },
  "incremental/value": {
    kind: "source",
    title: "A bound has no usable value for the request",
    explain:
      "{incremental.…} is null or of a type that can't stand in that place of the request. Parameters and headers are left out for null; a path and text in a body can't do without.",
  },
  "incremental/too-many-parents": {
    kind: "source",
    title: "More parents than last values can be remembered for",
    explain:
      "An incremental child resource remembers a last value for each record of its parent, up to a limit. Beyond it, children are read from initial_value each time, which is refused where they would be appended again.",
  },
  "expression/failed": {
    kind: "source",
    title: "An expression failed on a response",
    explain:
      "The template is well-formed, but can't be evaluated on what the API sent. A value that is missing or null is less or greater than nothing: give it one with | default(0), or ask `is defined` first. Texts and numbers have no order among each other: | int makes a number of a text.",
  },
  "step/failed": {
    kind: "source",
    title: "A processing step failed on a record",
    explain:
      "A function among the resource's processing_steps threw, or gave what is no record. The message names the step; what was thrown is not shown, for it may quote the record.",
  },
  "schema/failed": {
    kind: "source",
    title: "A resource's schema failed on a record",
    explain:
      "The validator threw instead of telling an issue, a function within it perhaps. What was thrown is not shown, for it may quote the record.",
  },
  "component/failed": {
    kind: "source",
    title: "A paginator, auth method or format of the user's own failed",
    explain:
      "Its code threw, or gave what it must not, such as a promise where a value is wanted. The message names the function and where it threw; what was thrown is not shown, for it may quote a record. Throw a SluiceError to say it in words of your own, and a RetryableError for a body that may be whole the next time.",
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
  "data/contract": {
    kind: "data",
    title: "The data would change a frozen schema",
    explain:
      "schema_contract says freeze, and a record would add a table or column or change a column's type. Nothing of the package was committed; the next run reads it again.",
  },
  "data/too-many-rejects": {
    kind: "data",
    title: "More records were set aside than max_rejected allows",
    explain: "Nothing of the package was committed; the next run reads it again.",
  },
  "data/history": {
    kind: "data",
    title: "The history of a table would be damaged",
    explain:
      "With strategy scd2 versions follow each other: none begins before another that is there, and no other strategy of merge may delete them. Nothing was changed.",
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
  "destination/changed": {
    kind: "destination",
    title: "A table was changed by hand so that rows don't fit",
    explain:
      "The message names the table and column, what is there and what was expected. Nothing was committed, no state has moved. Put the table back as it was; or drop or rename it: a table that is missing is made again, and `sluice run --full-refresh --select RESOURCE` fills it from the start.",
  },
  "destination/locked": {
    kind: "locked",
    title: "Another writer holds the pipeline",
    explain:
      "One run at a time writes a pipeline, and one process at a time opens a DuckDB file. Wait for the other run, or close the program that has the file open.",
  },
  "state/unfinished": {
    kind: "config",
    title: "A walk that was cut short has to be ended first",
    explain:
      "The rows of a replace, and of a merge that speaks of all rows of a load, are kept out of sight until the walk is complete. What would drop them is refused: run again to end the walk, or `sluice state reset` to drop them.",
  },
  "replay/missing": {
    kind: "source",
    title: "The recording does not have this request",
    explain:
      "A replay opens no connection: every request must have been made when the recording was. Record again with `sluice run --record` after a change that changes requests, and give the same --set. A recording of a run that went on from a stored state lacks what came before.",
  },
  "replay/folder": {
    kind: "config",
    title: "The folder can't be used for a recording",
    explain:
      "`--record` takes a folder that is new, empty or holds a recording, which is replaced; `--replay` one that `--record` has made.",
  },
  "run/interrupted": {
    kind: "interrupted",
    title: "The run was stopped",
    explain: "What was committed stays; the next run goes on from there.",
  },
} as const satisfies Record<string, { kind: ErrorKind; title: string; explain: string }>;

export type ErrorCode = keyof typeof ERROR_CODES;
